//! Lines that are added come out complete, or are counted as dropped.

use super::*;
use proptest::prelude::*;
use std::{collections::VecDeque, format, string::String, vec::Vec};

fn take(backlog: &mut Backlog<512>, most: usize) -> Vec<u8> {
    let taken = backlog.front(most).to_vec();
    backlog.give(taken.len());
    taken
}

#[test]
fn lines_come_out_whole_and_missing_ones_are_counted() {
    let mut backlog = Backlog::<512>::new();
    for number in 0..100 {
        backlog.add_line(format_args!("line {number}\n"));
    }
    let mut text = String::new();
    while !backlog.is_empty() {
        text += core::str::from_utf8(&take(&mut backlog, 7)).unwrap();
    }
    let there = text.lines().count() as u32;
    assert!(there > 30 && text.lines().enumerate().all(|(number, line)| line == format!("line {number}")));
    backlog.add_line(format_args!("next\n"));
    let text = String::from_utf8(take(&mut backlog, 100)).unwrap();
    assert_eq!(text, format!("({} lines are missing)\nnext\n", 100 - there));
    backlog.add_line(format_args!("next\n"));
    assert_eq!(take(&mut backlog, 100), b"next\n");
}

#[test]
fn bytes_of_others_leave_room_for_lines() {
    let mut backlog = Backlog::<512>::new();
    assert_eq!(backlog.add_some(&[b'x'; 1000]), 256);
    assert_eq!(backlog.add_some(b"x"), 0);
    backlog.add_line(format_args!("line\n"));
    assert_eq!(backlog.room(), 512 - 256 - 5);
}

proptest! {
    #[test]
    fn agrees_with_a_queue(steps in proptest::collection::vec((any::<bool>(), 0..300usize), 0..200)) {
        let mut backlog = Backlog::<512>::new();
        let mut model = VecDeque::new();
        let mut next = 0_u8;
        for (adds, count) in steps {
            if adds {
                let bytes: Vec<u8> = (0..count).map(|step| next.wrapping_add(step as u8)).collect();
                let added = backlog.add_some(&bytes);
                prop_assert_eq!(added, count.min(256_usize.saturating_sub(model.len())));
                model.extend(&bytes[..added]);
                next = next.wrapping_add(added as u8);
            } else {
                let taken = take(&mut backlog, count);
                prop_assert!(!taken.is_empty() || count == 0 || model.is_empty());
                for byte in taken {
                    prop_assert_eq!(Some(byte), model.pop_front());
                }
            }
            prop_assert_eq!(backlog.is_empty(), model.is_empty());
            prop_assert_eq!(backlog.room(), 512 - model.len());
        }
    }
}
