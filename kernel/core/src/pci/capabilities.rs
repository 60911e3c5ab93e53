//! The list of capabilities in a configuration space.

use super::Config;
use capos_abi::PAGE_SIZE;
use core::ops::Range;

const STATUS_HAS_LIST: u8 = 1 << 4;
const STATUS: usize = 6;
const FIRST: usize = 0x34;
/// The list is after the header, at multiples of 4.
const LIST_START: usize = 0x40;
const MAX_LENGTH: usize = (256 - LIST_START) / 4;
const MSIX: u8 = 0x11;
const ENTRY_BYTES: u64 = 16;

/// The location of a function's table of message-signalled interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsixTable {
    /// Offset of the capability in the configuration space; its control register is the upper half of the word there.
    pub capability: u8,
    /// Number of entries in the table.
    pub entries: u16,
    /// The base address register that contains it.
    pub bar: u8,
    /// Offset of the table in that register's memory.
    pub offset: u64,
}

impl MsixTable {
    /// The pages of the register's memory that contain a part of the table, as offsets.
    #[must_use]
    pub const fn pages(&self) -> Range<u64> {
        let end = self.offset + self.entries as u64 * ENTRY_BYTES;
        self.offset / PAGE_SIZE * PAGE_SIZE..end.next_multiple_of(PAGE_SIZE)
    }
}

/// The function's table, if it has one.
#[must_use]
pub fn find_msix(config: &Config) -> Option<MsixTable> {
    let word = |at: usize| config.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    if config[STATUS] & STATUS_HAS_LIST == 0 {
        return None;
    }
    let mut at = usize::from(config[FIRST] & !3);
    for _ in 0..MAX_LENGTH {
        if at < LIST_START {
            return None;
        }
        let [id, next, control_low, control_high] = word(at)?.to_le_bytes();
        if id == MSIX {
            let place = word(at + 4)?;
            let entries = (u16::from_le_bytes([control_low, control_high]) & 0x7ff) + 1;
            return Some(MsixTable {
                capability: at as u8,
                entries,
                bar: (place & 7) as u8,
                offset: u64::from(place & !7),
            });
        }
        at = usize::from(next & !3);
    }
    None
}
