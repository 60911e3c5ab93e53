//! The list of capabilities in a configuration space.

use super::Config;
use capos_abi::PAGE_SIZE;
use core::ops::Range;

const STATUS_HAS_LIST: u8 = 1 << 4;
const STATUS: usize = 6;
const FIRST: usize = 0x34;
/// The list lies behind the header, at multiples of 4.
const LIST_START: usize = 0x40;
const MAX_LENGTH: usize = (256 - LIST_START) / 4;
const MSIX: u8 = 0x11;
const ENTRY_BYTES: u64 = 16;

/// Where a function keeps the table of its message-signalled interrupts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MsixTable {
    /// Offset of the capability in the configuration space; its control register is the upper half of the word there.
    pub capability: u8,
    /// Entries in the table.
    pub entries: u16,
    /// The base address register.
    pub bar: u8,
    /// Where the table begins there.
    pub offset: u64,
}

impl MsixTable {
    /// The pages of the register that hold a part of the table, as offsets.
    #[must_use]
    pub const fn pages(&self) -> Range<u64> {
        let end = self.offset + self.entries as u64 * ENTRY_BYTES;
        self.offset / PAGE_SIZE * PAGE_SIZE..end.next_multiple_of(PAGE_SIZE)
    }
}

/// The table, if the function has one.
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
