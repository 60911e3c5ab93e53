//! Decisions of supervisors: the order of starts, restart policies, and the delays between restarts.

mod order;

pub use order::start_order;

use capos_schema::manifest_capnp::restart_policy;

/// The policy after an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Not restarted.
    #[default]
    Never,
    /// Restarted after a failure, at most this many times.
    OnFailure(u32),
    /// Restarted after every end.
    Always,
}

impl Restart {
    /// Reads a policy from a message.
    ///
    /// # Errors
    /// For an unknown policy.
    pub fn read(reader: restart_policy::Reader<'_>) -> capnp::Result<Self> {
        Ok(match reader.which()? {
            restart_policy::Never(()) => Self::Never,
            restart_policy::OnFailure(times) => Self::OnFailure(times),
            restart_policy::Always(()) => Self::Always,
        })
    }

    /// Whether to restart after an end, given the number of earlier restarts.
    #[must_use]
    pub fn follows(self, failed: bool, restarts: u32) -> bool {
        match self {
            Self::Never => false,
            Self::OnFailure(times) => failed && restarts < times,
            Self::Always => true,
        }
    }
}

const FIRST_PAUSE_NS: u64 = 10_000_000;
const LONGEST_PAUSE_NS: u64 = 10_000_000_000;

/// The delay before a restart: 10 ms, doubled each time, at most 10 s. After a run longer than 10 s it starts at
/// 10 ms again.
#[derive(Debug)]
pub struct Backoff {
    next_ns: u64,
}

impl Backoff {
    /// For something that has not been restarted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { next_ns: FIRST_PAUSE_NS }
    }

    /// The delay after a run of `ran_ns`.
    pub fn pause_ns(&mut self, ran_ns: u64) -> u64 {
        let pause = if ran_ns > LONGEST_PAUSE_NS { FIRST_PAUSE_NS } else { self.next_ns };
        self.next_ns = (2 * pause).min(LONGEST_PAUSE_NS);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::{Backoff, Restart};

    #[test]
    fn policies() {
        assert!(!Restart::Never.follows(true, 0));
        assert!(!Restart::OnFailure(3).follows(false, 0));
        assert!(Restart::OnFailure(3).follows(true, 2));
        assert!(!Restart::OnFailure(3).follows(true, 3));
        assert!(Restart::Always.follows(false, u32::MAX));
    }

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew_after_a_long_run() {
        let mut backoff = Backoff::new();
        let pauses: Vec<u64> = (0..12).map(|_| backoff.pause_ns(1) / 1_000_000).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120, 10_000, 10_000]);
        assert_eq!(backoff.pause_ns(10_000_000_001), 10_000_000);
        assert_eq!(backoff.pause_ns(5), 20_000_000);
    }
}
