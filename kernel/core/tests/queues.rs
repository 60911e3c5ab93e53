//! Compares frames, run queue, timers and arena with minimal models.
#![allow(missing_docs, reason = "tests")]

use capos_kernel_core::{
    arena::{Arena, Id},
    frames::{FrameAllocator, RunSearch, Searched},
    run_queue::RunQueue,
    timers::Timers,
    walk::Walk,
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
        // A search in progress, and whether nothing has changed since it started.
        let mut search: Option<(RunSearch, u64, bool)> = None;
        for step in steps {
            match step % 5 {
                0 | 1 => {
                    let frame = frames.allocate();
                    prop_assert_eq!(frame.is_some(), !model.is_empty());
                    if let Some(frame) = frame {
                        prop_assert!(model.remove(&frame));
                        taken.push(frame);
                    }
                }
                2 => {
                    let count = u64::from(step / 5 % 70) + 1;
                    let (mut under_way, count, alone) = search.take().unwrap_or((RunSearch::new(count), count, true));
                    match frames.search_step(&mut under_way, 40) {
                        Searched::Taken(start) => {
                            for frame in start..start + count {
                                prop_assert!(model.remove(&frame));
                            }
                            if step % 2 == 0 {
                                prop_assert!(frames.release_run(start, count));
                                prop_assert!(!frames.release_run(start, count), "released twice");
                                model.extend(start..start + count);
                            } else {
                                taken.extend(start..start + count);
                            }
                        }
                        Searched::More => search = Some((under_way, count, alone)),
                        Searched::Nothing if alone => {
                            let all_free = |start: &u64| (*start..start + count).all(|frame| model.contains(&frame));
                            prop_assert!(!model.iter().any(all_free), "a run was overlooked");
                        }
                        Searched::Nothing => {}
                    }
                    continue;
                }
                _ if !taken.is_empty() => {
                    let frame = taken.swap_remove(step as usize % taken.len());
                    prop_assert!(frames.release(frame));
                    prop_assert!(!frames.release(frame), "released twice");
                    model.insert(frame);
                }
                _ => prop_assert!(!frames.release(limit + u64::from(step))),
            }
            if let Some((.., alone)) = &mut search {
                *alone = false;
            }
            prop_assert_eq!(frames.free(), model.len() as u64);
        }
        prop_assert!(frames.check(&mut Walk::new(&|| true)).is_ok());
        while let Some(frame) = frames.allocate() {
            prop_assert!(model.remove(&frame));
        }
        prop_assert!(model.is_empty() && frames.check(&mut Walk::new(&|| true)).is_ok());
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
            prop_assert!(queue.check(&mut Walk::new(&|| true)).is_ok());
            prop_assert_eq!(queue.contains(thread), queued(&model, thread));
            let highest = model.iter().rposition(|level| !level.is_empty());
            prop_assert_eq!(queue.highest().map(usize::from), highest);
        }
    }

    #[test]
    fn timers_agree_with_a_sorted_set(steps in proptest::collection::vec((0..5u8, 0..1000u64, 0..34u8), 0..300)) {
        let mut timers = Timers::new(100);
        let mut model = BTreeSet::new();
        let mut ids = Vec::new();
        let mut floor = 0;
        for (number, (action, value, priority)) in steps.into_iter().enumerate() {
            match action {
                0 | 1 => match timers.insert(value, priority, number) {
                    Ok(id) => {
                        let level = priority.min(31);
                        model.insert((level, value, number));
                        ids.push((id, level, value, number));
                    }
                    Err(_) => prop_assert_eq!(model.len(), 100),
                },
                2 if !ids.is_empty() => {
                    let (id, level, deadline, event) = ids.swap_remove(value as usize % ids.len());
                    let expected = model.remove(&(level, deadline, event)).then_some(event);
                    prop_assert_eq!(timers.cancel(id), expected);
                    prop_assert_eq!(timers.cancel(id), None);
                }
                3 => {
                    floor = priority.min(31);
                    timers.set_floor(floor);
                }
                _ => {
                    let now = value / 4;
                    let due = |model: &BTreeSet<(u8, u64, usize)>| {
                        model.iter().filter(|timer| timer.1 <= now && timer.0 >= floor).map(|timer| timer.0).max()
                    };
                    // Not all of them, so that some are late.
                    for _ in 0..5 {
                        let Some(event) = timers.pop_expired(now) else { break };
                        let level = due(&model).expect("nothing was due");
                        let first = model.range((level, 0, 0)..).next().copied().unwrap();
                        prop_assert!(model.remove(&(level, first.1, event)), "the most important first, then the earliest");
                    }
                    if timers.pop_expired(now).is_none() {
                        prop_assert_eq!(due(&model), None);
                    } else {
                        return Ok(());
                    }
                }
            }
            let counted = model.iter().filter(|timer| timer.0 >= floor).map(|timer| timer.1).min();
            prop_assert_eq!(timers.earliest_ns(), counted.unwrap_or(u64::MAX));
            prop_assert!(timers.check(&mut Walk::new(&|| true)).is_ok());
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
