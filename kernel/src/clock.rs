//! Clocks: the scale that converts the time-stamp counter to time, and its correction.

use crate::{
    arch::{self, calibration, time},
    kernel::Kernel,
    klog,
    mm::ObjectId,
};
use capos_abi::TimePage;
use capos_kernel_core::clock::{Scale, drift::Watch};
use core::mem::offset_of;

/// The state of the clocks for kernel objects.
pub struct Clock {
    /// The time of day when the monotonic clock read `read_ns`.
    seconds: u64,
    read_ns: u64,
    /// Contains the [`TimePage`]; it has a reference that is never dropped.
    page: Option<ObjectId>,
    /// Compares the monotonic clock with the reference; `None` without a reference.
    watch: Option<Watch>,
    /// [`TimePage::sequence`].
    sequence: u64,
}

impl Clock {
    pub(crate) const fn new() -> Self {
        Self { seconds: 0, read_ns: 0, page: None, watch: None, sequence: 0 }
    }

    /// Seconds since 1970-01-01T00:00:00Z and nanoseconds within the second.
    pub fn wall_time(&self) -> (u64, u32) {
        let since = time::now_ns().saturating_sub(self.read_ns);
        // The remainder is below 10^9.
        (self.seconds + since / 1_000_000_000, (since % 1_000_000_000) as u32)
    }

    /// The object with the page from which programs compute the monotonic clock themselves.
    pub const fn page(&self) -> Option<ObjectId> {
        self.page
    }

    /// The time of the next comparison of the monotonic clock.
    #[inline]
    pub const fn next_check_ns(&self) -> u64 {
        match &self.watch {
            Some(watch) => watch.next_ns(),
            None => u64::MAX,
        }
    }

    /// The monotonic clock and the reference, both in nanoseconds and read at once, and the number of corrections.
    pub fn compare(&self) -> Option<(u64, u64, u32)> {
        let watch = self.watch.as_ref()?;
        let (reading, scale) = (calibration::read(), time::scale());
        Some((scale.at(reading.middle()), watch.reference_ns(&reading, &scale), watch.corrections()))
    }
}

impl Kernel {
    /// Reads the battery-backed clock, creates the time page, and starts watching the monotonic clock.
    pub(crate) fn init_clock(&mut self) {
        self.clock.seconds = arch::rtc::read_seconds();
        self.clock.read_ns = time::now_ns();
        self.clock.page = self.system.objects().create_for_kernel(&[]).ok();
        self.publish_scale(&time::scale());
        self.clock.watch = calibration::reference()
            .map(|reference| Watch::new(reference, calibration::read(), &time::scale()));
    }

    /// Compares the monotonic clock with the reference if that is due, and corrects it if it is wrong.
    #[inline]
    pub(crate) fn check_clock(&mut self) {
        if time::now_ns() >= self.clock.next_check_ns() {
            self.compare_clocks();
        }
    }

    #[cold]
    fn compare_clocks(&mut self) {
        let reading = calibration::read();
        let (scale, now) = (time::scale(), time::read_tsc());
        let Some(watch) = self.clock.watch.as_mut() else { return };
        let Some(correction) = watch.check(&scale, reading, now) else { return };
        time::set_scale(&correction.scale);
        self.publish_scale(&correction.scale);
        // The time of day, unlike the monotonic clock, may go back.
        self.clock.read_ns = self.clock.read_ns.saturating_add(correction.ahead_ns);
        klog!(
            "clock: corrected by {} parts in a million",
            i128::from(correction.scale.multiplier) * 1_000_000 / i128::from(scale.multiplier.max(1))
                - 1_000_000
        );
    }

    /// Writes a scale to the time page, such that concurrent readers notice the change.
    fn publish_scale(&mut self, scale: &Scale) {
        self.clock.sequence += 2;
        let after = self.clock.sequence;
        let Some(page) = self.clock.page.and_then(|page| self.system.objects().kernel_page(page)) else {
            return;
        };
        let store = |offset: usize, bytes: &[u8]| page.write(offset, bytes);
        store(offset_of!(TimePage, sequence), &(after - 1).to_le_bytes());
        store(offset_of!(TimePage, version), &TimePage::VERSION.to_le_bytes());
        store(offset_of!(TimePage, shift), &Scale::SHIFT.to_le_bytes());
        store(offset_of!(TimePage, base_tsc), &scale.base.to_le_bytes());
        store(offset_of!(TimePage, base_ns), &scale.base_ns.to_le_bytes());
        store(offset_of!(TimePage, multiplier), &scale.multiplier.to_le_bytes());
        store(offset_of!(TimePage, sequence), &after.to_le_bytes());
    }
}
