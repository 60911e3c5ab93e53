//! Frames, run queue, timers and arena against the simplest models that could be right.
#![allow(missing_docs, reason = "tests")]

use capos_kernel_core::{
    arena::{Arena, Id},
    frames::FrameAllocator,
    run_queue::RunQueue,
    timers::Timers,
};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap, VecDeque};

proptest! {
    #[test]
    fn frames_agree_with_a_set(
        ranges in proptest::collection::vec((0..20_000u64, 1..5000u64), 1..4),
        steps in proptest::collection::vec(any::<u32>(), 0..300),
    ) {
        let mut frames = FrameAllocator::new(20_000).unwrap();
        let limit = 20_000u64.next_multiple_of(64);
        let mut model = BTreeSet::new();
        for (start, length) in ranges {
            frames.add_range(start, start + length);
            model.extend((start..start + length).filter(|&frame| frame < limit));
        }
        let mut taken = Vec::new();
        for step in steps {
            match step % 4 {
                0 | 1 => {
                    let frame = frames.allocate();
                    prop_assert_eq!(frame.is_some(), !model.is_empty());
                    if let Some(frame) = frame {
                        prop_assert!(model.remove(&frame));
                        taken.push(frame);
                    }
                }
                2 => {
                    let count = u64::from(step / 4 % 70);
                    if let Some(start) = frames.allocate_run(count) {
                        for frame in start..start + count {
                            prop_assert!(model.remove(&frame));
                            taken.push(frame);
                        }
                    }
                }
                _ if !taken.is_empty() => {
                    let frame = taken.swap_remove(step as usize % taken.len());
                    prop_assert!(frames.release(frame));
                    prop_assert!(!frames.release(frame), "released twice");
                    model.insert(frame);
                }
                _ => prop_assert!(!frames.release(limit + u64::from(step))),
            }
            prop_assert_eq!(frames.free(), model.len() as u64);
        }
        prop_assert!(frames.is_consistent());
        while let Some(frame) = frames.allocate() {
            prop_assert!(model.remove(&frame));
        }
        prop_assert!(model.is_empty() && frames.is_consistent());
    }

    #[test]
    fn run_queue_agrees_with_lists(steps in proptest::collection::vec((0..5u8, 0..40u32, 0..32u8), 0..300)) {
        let mut queue = RunQueue::new();
        for thread in 0..40 {
            queue.admit(thread).unwrap();
        }
        let mut model: Vec<VecDeque<u32>> = vec![VecDeque::new(); 32];
        let queued = |model: &[VecDeque<u32>], thread| model.iter().any(|level| level.contains(&thread));
        for (action, thread, priority) in steps {
            match action {
                0 | 1 => {
                    if !queued(&model, thread) {
                        let level = &mut model[priority as usize];
                        if action == 0 { level.push_back(thread) } else { level.push_front(thread) }
                    }
                    if action == 0 { queue.push_back(thread, priority) } else { queue.push_front(thread, priority) }
                }
                2 => {
                    prop_assert_eq!(queue.remove(thread), queued(&model, thread));
                    model.iter_mut().for_each(|level| level.retain(|&other| other != thread));
                }
                _ => {
                    let expected = model.iter_mut().rev().find_map(VecDeque::pop_front);
                    prop_assert_eq!(queue.pop(), expected);
                }
            }
            prop_assert!(queue.is_consistent());
            prop_assert_eq!(queue.contains(thread), queued(&model, thread));
            let highest = model.iter().rposition(|level| !level.is_empty());
            prop_assert_eq!(queue.highest().map(usize::from), highest);
        }
    }

    #[test]
    fn timers_agree_with_a_sorted_set(steps in proptest::collection::vec((0..3u8, 0..1000u64), 0..300)) {
        let mut timers = Timers::new(100);
        let mut model = BTreeSet::new();
        let mut ids = Vec::new();
        for (number, (action, value)) in steps.into_iter().enumerate() {
            match action {
                0 => match timers.insert(value, number) {
                    Ok(id) => {
                        model.insert((value, number));
                        ids.push((id, value, number));
                    }
                    Err(_) => prop_assert_eq!(model.len(), 100),
                },
                1 if !ids.is_empty() => {
                    let (id, deadline, event) = ids.swap_remove(value as usize % ids.len());
                    let expected = model.remove(&(deadline, event)).then_some(event);
                    prop_assert_eq!(timers.cancel(id), expected);
                    prop_assert_eq!(timers.cancel(id), None);
                }
                _ => {
                    while let Some(event) = timers.pop_expired(value / 4) {
                        let first = model.iter().next().unwrap().0;
                        prop_assert!(first <= value / 4);
                        prop_assert!(model.remove(&(first, event)), "fires at the earliest deadline");
                    }
                    prop_assert!(model.first().is_none_or(|first| first.0 > value / 4));
                }
            }
            prop_assert_eq!(timers.next_deadline(), model.first().map(|first| first.0));
            prop_assert!(timers.is_consistent());
        }
    }

    #[test]
    fn arena_ids_are_never_reused(steps in proptest::collection::vec((0..4u8, any::<usize>()), 0..200)) {
        let mut arena = Arena::new(20);
        let mut model = HashMap::new();
        let mut ids = Vec::new();
        for (number, (step, which)) in steps.into_iter().enumerate() {
            let id = if ids.is_empty() { None } else { Some(ids[which % ids.len()]) };
            match (step, id) {
                (1, Some(id)) => prop_assert_eq!(arena.remove(id), model.remove(&id)),
                (2, Some(id)) => {
                    arena.discard(id);
                    model.remove(&id);
                }
                (3, Some(id)) => {
                    let renewed = arena.renew(id).map(|(new, value)| (new, *value));
                    let old = model.remove(&id);
                    prop_assert_eq!(renewed.map(|(_, value)| value), old);
                    if let Some((new, value)) = renewed {
                        prop_assert!(model.insert(new, value).is_none());
                        ids.push(new);
                    }
                }
                _ => match arena.insert(number) {
                    Ok(id) => {
                        prop_assert!(model.insert(id, number).is_none());
                        ids.push(id);
                    }
                    Err(_) => prop_assert_eq!(arena.len(), 20),
                },
            }
            for id in &ids {
                prop_assert_eq!(arena.get(*id), model.get(id));
            }
            prop_assert_eq!(arena.iter().count(), model.len());
            prop_assert_eq!(arena.len() as usize, model.len());
        }
    }
}

#[test]
fn ids_survive_being_numbers_and_other_numbers_name_nothing() {
    assert_eq!(size_of::<Option<Id<u8>>>(), size_of::<u64>(), "an id that may be missing is one word");
    let mut arena = Arena::new(3);
    let ids = [10, 11, 12].map(|value| arena.insert(value).unwrap());
    for (id, value) in ids.into_iter().zip([10, 11, 12]) {
        assert_eq!(Id::unpack(id.pack()), id);
        assert_eq!(arena.get(id), Some(&value));
        for other in 0..u64::BITS {
            let id = Id::unpack(id.pack() ^ 1 << other);
            assert!(arena.get(id).is_none_or(|found| *found != value), "{id:?} names {value}");
        }
    }
    for token in [0, 1, u64::from(u32::MAX), u64::MAX << 32, u64::MAX] {
        let id = Id::unpack(token);
        assert_eq!(arena.get(id).copied(), (token == ids[0].pack()).then_some(10), "{token:#x}");
    }
    assert_eq!(arena.get(Id::NOTHING), None);
}
