//! The frame budget of a process.

/// A counter with a limit.
#[derive(Clone, Copy, Debug)]
pub struct FrameBudget {
    used: u32,
    peak: u32,
    limit: u32,
}

impl FrameBudget {
    pub(super) const fn new(limit: u32) -> Self {
        Self { used: 0, peak: 0, limit }
    }

    /// Frames in use.
    pub const fn used(&self) -> u32 {
        self.used
    }

    /// Maximum number of frames ever in use.
    pub const fn peak(&self) -> u32 {
        self.peak
    }

    /// Whether it is exhausted.
    pub const fn is_used_up(&self) -> bool {
        self.used >= self.limit
    }

    /// Charges `count` frames; if that exceeds the budget, charges nothing and returns `false`.
    #[inline]
    pub fn charge(&mut self, count: u64) -> bool {
        let Some(used) = u32::try_from(count).ok().and_then(|count| self.used.checked_add(count)) else {
            return false;
        };
        if used > self.limit {
            return false;
        }
        self.used = used;
        self.peak = self.peak.max(used);
        true
    }

    /// Refunds `count` frames.
    #[inline]
    pub fn refund(&mut self, count: u64) {
        self.used = self.used.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    }
}
