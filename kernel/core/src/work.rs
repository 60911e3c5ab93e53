//! The amount of work that one step of a long operation may do.
//!
//! Work that a process can make arbitrarily long (closing a table, a revocation, the queue of callers of a lost
//! server) is done in steps. Between two steps everything is consistent and any thread may run.

/// The allowance of one step, counted in records that are visited or changed. Each takes a few hundred instructions at
/// most.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    allowed: u32,
    spent: u32,
}

impl Work {
    /// The number of records per step: some tens of thousands of instructions.
    pub const STEP: u32 = 96;

    /// The allowance of one step.
    #[must_use]
    pub const fn step() -> Self {
        Self::of(Self::STEP)
    }

    /// An allowance of this many records.
    #[must_use]
    pub const fn of(records: u32) -> Self {
        Self { allowed: records, spent: 0 }
    }

    /// Whether any of it is left.
    #[must_use]
    pub const fn is_left(&self) -> bool {
        self.spent < self.allowed
    }

    /// The number of records visited. The last piece of work may have exceeded the allowance.
    #[must_use]
    pub const fn spent(&self) -> u32 {
        self.spent
    }

    /// Counts `records`.
    pub(crate) const fn spend(&mut self, records: u32) {
        self.spent = self.spent.saturating_add(records);
    }

    /// Counts one record; `false` if the allowance was already used up.
    pub(crate) const fn take(&mut self) -> bool {
        let left = self.is_left();
        if left {
            self.spend(1);
        }
        left
    }
}
