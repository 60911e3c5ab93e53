//! Programs that must not be packed, each with the reason, and the packed form of valid ones.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed step fails the test")]

use capos_host::elf::loadable_part;
use proptest::prelude::*;

const PAGE: usize = 4096;

/// A small program: header, three program headers, text on the second page, data on the third, followed by
/// the sections that a linker adds for debuggers.
fn program() -> Vec<u8> {
    let mut elf = vec![0; 3 * PAGE + 500];
    put(&mut elf, 0, b"\x7fELF\x02\x01\x01");
    put(&mut elf, 16, &2u16.to_le_bytes()); // e_type: EXEC
    put(&mut elf, 18, &62u16.to_le_bytes()); // e_machine: x86_64
    put(&mut elf, 20, &1u32.to_le_bytes());
    put(&mut elf, 24, &0x40_1010u64.to_le_bytes()); // e_entry
    put(&mut elf, 32, &64u64.to_le_bytes()); // e_phoff
    put(&mut elf, 40, &(3 * PAGE as u64 + 100).to_le_bytes()); // e_shoff
    put(&mut elf, 52, &64u16.to_le_bytes());
    put(&mut elf, 54, &56u16.to_le_bytes());
    put(&mut elf, 56, &3u16.to_le_bytes()); // e_phnum
    put(&mut elf, 58, &64u16.to_le_bytes());
    put(&mut elf, 60, &5u16.to_le_bytes()); // e_shnum
    put(&mut elf, 62, &4u16.to_le_bytes()); // e_shstrndx
    segment(&mut elf, 0, [1, 0x1000, 0x40_1000, 0x800, 0x800]);
    segment(&mut elf, 1, [1, 0x2010, 0x40_2010, 0x20, 0x5000]);
    segment(&mut elf, 2, [7, 0x2010, 0x40_2010, 0x10, 0x18]); // PT_TLS
    put(&mut elf, PAGE, b"text");
    put(&mut elf, 3 * PAGE, b"debug");
    elf
}

fn put(elf: &mut [u8], at: usize, bytes: &[u8]) {
    elf[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Writes a program header: type, file offset, address, bytes in the file, bytes in memory.
fn segment(elf: &mut [u8], index: usize, [kind, offset, address, file, memory]: [u64; 5]) {
    let at = 64 + 56 * index;
    put(elf, at, &u32::try_from(kind).unwrap().to_le_bytes());
    for (field, value) in [(8, offset), (16, address), (32, file), (40, memory)] {
        put(elf, at + field, &value.to_le_bytes());
    }
}

#[test]
fn only_what_is_loaded_is_packed() {
    let whole = program();
    let part = loadable_part(&whole).unwrap();
    assert_eq!(part.len(), 2 * PAGE + 0x30);
    // Nothing refers to the removed sections, and everything else is unchanged.
    assert!(part[40..48].iter().chain(&part[58..64]).all(|byte| *byte == 0));
    assert_eq!(
        (&part[..40], &part[48..58], &part[64..]),
        (&whole[..40], &whole[48..58], &whole[64..part.len()])
    );
    assert_eq!(loadable_part(&part).unwrap(), part);
}

#[test]
fn what_cannot_be_loaded_is_refused() {
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, Damage); 16] = [
        ("not an ELF64 file", |elf| elf.clear()),
        ("not an ELF64 file", |elf| elf.truncate(63)),
        ("not an ELF64 file", |elf| elf[0] = b'E'),
        ("not an ELF64 file", |elf| elf[4] = 1), // 32 bits
        ("not a little-endian ELF file", |elf| elf[5] = 2),
        ("not built for x86_64", |elf| elf[18] = 183),
        ("not a statically linked", |elf| elf[16] = 3),
        ("its program headers are damaged", |elf| put(elf, 32, &u64::MAX.to_le_bytes())),
        ("its program headers are damaged", |elf| put(elf, 56, &0xfff0u16.to_le_bytes())),
        ("program header 2: dynamically linked", |elf| segment(elf, 2, [2, 0, 0, 0, 0])),
        ("program header 2: dynamically linked", |elf| segment(elf, 2, [3, 0, 0, 0, 0])),
        ("program header 1: reaches past the end of the file", |elf| {
            segment(elf, 1, [1, u64::MAX - 0xfff, 0x40_2000, 0x1000, 0x1000]);
        }),
        ("program header 1: has more bytes", |elf| segment(elf, 1, [1, 0x2010, 0x40_2010, 0x20, 0x1f])),
        ("program header 1: reaches past the end of user", |elf| {
            segment(elf, 1, [1, 0x2010, 0xffff_ffff_8000_0010, 0x20, u64::MAX]);
        }),
        ("program header 1: its file offset", |elf| segment(elf, 1, [1, 0x2010, 0x40_2020, 0x20, 0x20])),
        ("its entry point is in no segment", |elf| put(elf, 24, &0x50_0000u64.to_le_bytes())),
    ];
    for (reason, damage) in cases {
        let mut elf = program();
        damage(&mut elf);
        let error = loadable_part(&elf).unwrap_err();
        assert!(error.starts_with(reason), "wanted {reason}, got {error}");
    }
}

proptest! {
    #[test]
    fn no_damage_makes_it_panic(changes in prop::collection::vec((0..240usize, any::<u8>()), 1..12), length in 0..13000usize) {
        let mut elf = program();
        for (at, byte) in changes {
            elf[at] = byte;
        }
        elf.truncate(length);
        if let Ok(part) = loadable_part(&elf) {
            prop_assert!(part.len() <= elf.len());
        }
    }
}
