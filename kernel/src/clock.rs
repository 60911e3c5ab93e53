//! What time it is.

use crate::{arch, kernel::Kernel, mm::ObjectId};
use capos_abi::TimePage;

/// Clocks as the kernel's objects give them out.
#[derive(Default)]
pub struct Clock {
    /// The time of day when the monotonic clock read `read_ns`.
    seconds: u64,
    read_ns: u64,
    /// Holds the [`TimePage`]; it has a reference that is never dropped.
    page: Option<ObjectId>,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { seconds: 0, read_ns: 0, page: None }
    }

    /// Seconds since 1970-01-01T00:00:00Z and nanoseconds within the second.
    pub fn wall_time(&self) -> (u64, u32) {
        let since = arch::time::now_ns().saturating_sub(self.read_ns);
        // The remainder is below 10^9.
        (self.seconds + since / 1_000_000_000, (since % 1_000_000_000) as u32)
    }

    /// The object with the page from which programs compute the monotonic clock themselves.
    pub const fn page(&self) -> Option<ObjectId> {
        self.page
    }
}

impl Kernel {
    /// Reads the battery-backed clock and makes the time page.
    pub(crate) fn init_clock(&mut self) {
        self.clock.seconds = arch::rtc::read_seconds();
        self.clock.read_ns = arch::time::now_ns();
        let page = TimePage {
            version: 1,
            shift: arch::time::SHIFT,
            base_tsc: arch::time::entry_tsc(),
            base_ns: 0,
            multiplier: arch::time::multiplier(),
        };
        let mut bytes = [0; size_of::<TimePage>()];
        let words = [
            u64::from(page.version) | u64::from(page.shift) << 32,
            page.base_tsc,
            page.base_ns,
            page.multiplier,
        ];
        for (into, word) in bytes.chunks_exact_mut(8).zip(words) {
            into.copy_from_slice(&word.to_le_bytes());
        }
        self.clock.page = self.objects.create_for_kernel(&bytes).ok();
    }
}
