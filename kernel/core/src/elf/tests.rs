//! Valid programs load; however their headers are modified, any resulting plan is safe.

use super::{LoadPlan, plan};
use crate::regions::Protection;
use capos_abi::{USER_END, USER_START};
use proptest::prelude::*;
use std::vec::Vec;

const FILE_BYTES: u64 = 0x3000;

struct Header {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    file_bytes: u64,
    memory_bytes: u64,
}

fn program(entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut bytes = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    bytes.extend(2u16.to_le_bytes());
    bytes.extend(62u16.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    for word in [entry, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    for half in [64, 56, headers.len() as u16, 0, 0, 0] {
        bytes.extend(half.to_le_bytes());
    }
    for header in headers {
        bytes.extend(header.kind.to_le_bytes());
        bytes.extend(header.flags.to_le_bytes());
        for word in [header.offset, header.address, 0, header.file_bytes, header.memory_bytes, 0x1000] {
            bytes.extend(word.to_le_bytes());
        }
    }
    bytes
}

fn load(flags: u32, address: u64) -> Header {
    Header { kind: 1, flags, offset: 0x1000, address, file_bytes: 0x1000, memory_bytes: 0x1800 }
}

fn good() -> Vec<u8> {
    program(0x20_0010, &[load(5, 0x20_0000), load(6, 0x20_2000), load(4, 0x20_5000)])
}

#[test]
fn a_static_program_loads() {
    let plan = plan(&good(), FILE_BYTES).unwrap();
    assert_eq!(plan.entry, 0x20_0010);
    let protections: Vec<_> = plan.segments().iter().map(|segment| segment.protection).collect();
    assert_eq!(
        protections,
        [Protection::READ | Protection::EXECUTE, Protection::READ | Protection::WRITE, Protection::READ]
    );
}

#[test]
fn bad_programs_are_refused_with_the_reason() {
    let refused = |headers: &[Header]| plan(&program(0x20_0010, headers), FILE_BYTES).unwrap_err();
    let code = || load(5, 0x20_0000);
    assert!(refused(&[load(7, 0x20_0000)]).contains("writable and executable"));
    assert!(refused(&[load(4, 0x20_0000)]).contains("entry point"));
    assert!(refused(&[code(), load(6, 0x20_1000)]).contains("share a page"));
    assert!(refused(&[code(), load(6, 0x1000)]).contains("outside user space"));
    assert!(refused(&[code(), load(6, USER_END - 0x1000)]).contains("outside user space"));
    assert!(refused(&[code(), Header { kind: 3, ..code() }]).contains("dynamically linked"));
    assert!(refused(&[Header { offset: 0x2800, ..code() }]).contains("outside the file"));
    assert!(refused(&[Header { offset: u64::MAX, ..code() }]).contains("outside the file"));
    assert!(refused(&[Header { memory_bytes: 1, ..code() }]).contains("more contents"));
    assert!(plan(b"\x7fELF", 4).is_err());
    assert!(plan(&[], 0).is_err());
}

fn check(plan: &LoadPlan) {
    let mut last = USER_START;
    for segment in plan.segments() {
        assert!(segment.page_start() >= last && segment.page_end() <= USER_END);
        assert!(segment.file_bytes <= segment.memory_bytes && !segment.protection.breaks_wx());
        assert!(segment.file_offset + segment.file_bytes <= FILE_BYTES);
        last = segment.page_end();
    }
    assert!(plan.segments().iter().any(|s| s.address <= plan.entry
        && plan.entry < s.address + s.memory_bytes
        && s.protection.contains(Protection::EXECUTE)));
}

proptest! {
    #[test]
    fn mutated_programs_give_a_safe_plan_or_none(
        changes in proptest::collection::vec((0..512usize, any::<u8>()), 1..8),
        length in 0..400usize,
    ) {
        let mut bytes = good();
        for (at, value) in changes {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        bytes.truncate(length.max(64));
        if let Ok(plan) = plan(&bytes, FILE_BYTES) {
            check(&plan);
        }
    }

    #[test]
    fn mutated_fields_give_a_safe_plan_or_none(field in 0..24usize, value in any::<u64>(), shift in 0..64u32) {
        let mut bytes = good();
        let at = 24 + field * 8;
        if let Some(field) = bytes.get_mut(at..at + 8) {
            field.copy_from_slice(&(value >> shift).to_le_bytes());
        }
        if let Ok(plan) = plan(&bytes, FILE_BYTES) {
            check(&plan);
        }
    }
}
