//! Base address registers: the location of a function's registers.

use super::{BAR_COUNT, MsixTable};
use capos_abi::PAGE_SIZE;

const IS_PORTS: u32 = 1;
/// Two bits: 0 for a 32-bit address, 2 for a 64-bit one.
const WIDTH: u32 = 0b110;
const WIDTH_64: u32 = 0b100;
/// The bits of a memory register that are no address.
const FLAGS: u32 = 0b1111;
/// The end of the addresses that page tables and frame numbers support: 16 TiB.
const MAX_ADDRESS: u64 = 1 << 44;
/// The longest range of registers that can be mapped at once.
const MAX_LENGTH: u64 = 64 << 20;

/// The reason that a range of registers cannot be provided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RegistersError {
    /// The offset or length is not a multiple of the page size, or the length is zero or too large.
    Unaligned,
    /// The register does not exist, is not a memory register, or has no address.
    NoMemory,
    /// The range is outside the register's memory.
    Outside,
    /// The first or last page may also belong to other devices.
    SharesPages,
    /// The range contains a page of the interrupt table.
    HoldsInterruptTable,
}

impl RegistersError {
    /// The reason as a text for error messages.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Unaligned => {
                "offset and length must be multiples of the page size, and the length not zero or too large"
            }
            Self::NoMemory => "this base address register does not describe accessible memory",
            Self::Outside => "the range is outside the device's memory",
            Self::SharesPages => "the device's memory shares a page with something else",
            Self::HoldsInterruptTable => {
                "the range overlaps the interrupt table, which only the kernel may access"
            }
        }
    }
}

/// A function's base address registers: address and length, a power of two, of those that are memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bars(pub [Option<(u64, u64)>; BAR_COUNT]);

impl Bars {
    /// Decodes the registers from their values and from `masks`, the values read after writing all ones,
    /// which show the writable bits.
    #[must_use]
    pub fn decode(values: &[u32; BAR_COUNT], masks: &[u32; BAR_COUNT]) -> Self {
        let mut bars = [None; BAR_COUNT];
        let mut rest = bars.iter_mut().zip(values.iter().zip(masks));
        while let Some((place, (&value, &mask))) = rest.next() {
            if value & (IS_PORTS | WIDTH) == WIDTH_64 {
                *place = rest
                    .next()
                    .and_then(|(_, (&high, &high_mask))| memory(join(value, high), join(mask, high_mask)));
            } else if value & IS_PORTS == 0 && mask & !FLAGS != 0 {
                *place = memory(value.into(), join(mask, u32::MAX));
            }
        }
        Self(bars)
    }

    /// Address and length of the memory of register `bar`.
    #[must_use]
    pub fn memory(&self, bar: u8) -> Option<(u64, u64)> {
        *self.0.get(usize::from(bar))?
    }

    /// The physical address of a range of registers that may be mapped by a process.
    ///
    /// # Errors
    /// See [`RegistersError`].
    pub fn registers(
        &self,
        bar: u8,
        offset: u64,
        length: u64,
        table: Option<&MsixTable>,
    ) -> Result<u64, RegistersError> {
        let is_aligned = offset.is_multiple_of(PAGE_SIZE) && length.is_multiple_of(PAGE_SIZE);
        if !is_aligned || length == 0 || length > MAX_LENGTH {
            return Err(RegistersError::Unaligned);
        }
        let (address, total) = self.memory(bar).ok_or(RegistersError::NoMemory)?;
        let limit = address.checked_add(total).filter(|&limit| limit <= MAX_ADDRESS);
        if address == 0 || limit.is_none() {
            return Err(RegistersError::NoMemory);
        }
        if !address.is_multiple_of(PAGE_SIZE) || !total.is_multiple_of(PAGE_SIZE) {
            return Err(RegistersError::SharesPages);
        }
        let end = offset.checked_add(length).filter(|&end| end <= total).ok_or(RegistersError::Outside)?;
        if let Some(table) = table.filter(|table| table.bar == bar) {
            let pages = table.pages();
            if offset < pages.end && pages.start < end {
                return Err(RegistersError::HoldsInterruptTable);
            }
        }
        Ok(address + offset)
    }
}

const fn join(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// Address and length of memory, whose address bits in the mask must be contiguous upper bits.
fn memory(value: u64, mask: u64) -> Option<(u64, u64)> {
    let flags = u64::from(FLAGS);
    let length = (!(mask & !flags)).checked_add(1)?;
    length.is_power_of_two().then_some((value & !flags, length))
}
