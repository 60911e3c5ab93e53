//! What a program asked for and was not granted, in words that say how to grant it.

use std::fmt;

/// Something that an instance does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The monotonic clock.
    Timer,
    /// The time of day.
    WallClock,
    /// Random bytes.
    Entropy,
    /// Standard input.
    Stdin,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Any directory at all.
    Preopen,
    /// A right on a directory or file.
    Right,
    /// Linear memory beyond the instance's limit.
    Memory,
    /// Room for nested calls beyond the instance's limit.
    Stack,
    /// A second thread.
    Threads,
    /// Table elements beyond the instance's limit.
    TableElements,
    /// A descriptor beyond the instance's limit.
    Descriptor,
}

/// A call that failed for something that was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function.
    pub import: &'static str,
    /// What it lacked.
    pub missing: Missing,
}

impl Missing {
    /// The capability by name.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Timer => "Timer",
            Self::WallClock => "WallClock",
            Self::Entropy => "EntropySource",
            Self::Stdin => "a Console, pipe or File as standard input",
            Self::Stdout => "a Console, pipe or File as standard output",
            Self::Stderr => "a Console, pipe or File as standard error",
            Self::Preopen => "a Namespace (preopened directory)",
            Self::Right => "a right that its Namespace (preopened directory) was not granted with",
            Self::Memory => "more linear memory than its limit allows",
            Self::Stack => "more stack than its limit allows",
            Self::Threads => "threads, and a program has one here",
            Self::TableElements => "more table elements than its limit allows",
            Self::Descriptor => "more descriptors than its limit allows",
        }
    }

    /// How to grant it.
    fn remedy(self) -> &'static str {
        match self {
            Self::Timer => "grant `timer` in the manifest or pass --clock",
            Self::WallClock => "grant `wallClock` in the manifest or pass --wall-clock",
            Self::Entropy => "grant `entropy` in the manifest or pass --entropy",
            Self::Stdin => "grant `console` or set `stdin` in the manifest",
            Self::Stdout => "grant `console` or set `stdout` in the manifest",
            Self::Stderr => "grant `console` or set `stderr` in the manifest",
            Self::Preopen => {
                "if it is to use files, list one in `preopens` in the manifest or pass --dir or --volume"
            }
            Self::Right => {
                "raise the `rights` of its entry in `preopens` or pass --dir or --volume without `:ro`"
            }
            Self::Memory => "raise `limits.memory` in the manifest or pass --memory",
            Self::Stack => "raise `limits.stack` in the manifest or pass --stack",
            Self::Threads => "build it to work without, or tell it to (many take a number of threads)",
            Self::TableElements => "raise `limits.tableElements` in the manifest or pass --table-elements",
            Self::Descriptor => "raise `limits.descriptors` in the manifest or pass --descriptors",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { import, missing } = self;
        write!(f, "{import} needs {}: {}", missing.capability(), missing.remedy())
    }
}

/// More successful calls than these do not belong to reporting an error and ending: a program that made them had gone on.
const CALLS_OF_AN_END: u64 = 200;

/// What a program says on standard error when a thread could not be started for it: by the standard library of Rust, by that
/// of C++, and by Python.
const NO_THREAD: [&[u8]; 3] =
    [b"failed to spawn thread", b"thread constructor failed", b"can't start new thread"];

/// Whether a message on standard error says that there is no second thread.
pub(super) fn says_no_thread(message: &[u8]) -> bool {
    NO_THREAD.iter().any(|said| message.windows(said.len()).any(|part| part == *said))
}

/// The refusals of one instance, each kind once, that may be why it ends.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Each with the number of calls that had succeeded before; the latest last.
    list: Vec<(Refusal, u64)>,
    /// The number of calls that have succeeded since the first of them.
    succeeded: u64,
}

impl Refusals {
    pub(crate) fn add(&mut self, refusal: Refusal) {
        // Both sides are tables of this host's, so that there are only so many.
        self.list.retain(|(earlier, _)| *earlier != refusal);
        self.list.push((refusal, self.succeeded));
    }

    /// A call of this function succeeded.
    #[inline]
    pub(crate) fn succeeded(&mut self, import: &str) {
        if self.list.is_empty() {
            return;
        }
        self.succeeded += 1;
        // The program asked for another clock, or in another way.
        self.list.retain(|(refusal, _)| match refusal.missing {
            Missing::Timer | Missing::WallClock | Missing::Entropy => refusal.import != import,
            _ => true,
        });
    }

    /// Something was changed in a directory: the program found a place where it may.
    pub(crate) fn changed_a_directory(&mut self) {
        self.list.retain(|(refusal, _)| refusal.missing != Missing::Right);
    }

    /// Those that may be why the instance failed, the latest first. Going past the stack's limit ends it, and so is the
    /// only one. That there is no directory is seen by every program that looks for one as it starts, so it counts only
    /// when there is nothing else.
    pub(crate) fn reasons(&self) -> Vec<Refusal> {
        if let Some((stack, _)) = self.list.iter().find(|(refusal, _)| refusal.missing == Missing::Stack) {
            return vec![*stack];
        }
        let late = |(_, before): &&(Refusal, u64)| self.succeeded - before <= CALLS_OF_AN_END;
        let late: Vec<_> = self.list.iter().rev().filter(late).map(|(refusal, _)| *refusal).collect();
        let telling = |refusal: &&Refusal| refusal.missing != Missing::Preopen;
        match late.iter().any(|refusal| telling(&refusal)) {
            true => late.iter().filter(telling).copied().collect(),
            false => late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CALLS_OF_AN_END, Missing, Refusal, Refusals, says_no_thread};

    const CLOCK: Refusal = Refusal { import: "clock_time_get", missing: Missing::Timer };
    const RANDOM: Refusal = Refusal { import: "random_get", missing: Missing::Entropy };
    const OPEN: Refusal = Refusal { import: "path_open", missing: Missing::Right };
    const PREOPEN: Refusal = Refusal { import: "fd_prestat_get", missing: Missing::Preopen };

    fn refused(list: &[Refusal]) -> Refusals {
        let mut refusals = Refusals::default();
        list.iter().for_each(|refusal| refusals.add(*refusal));
        refusals
    }

    #[test]
    fn the_latest_comes_first_and_each_once() {
        assert_eq!(refused(&[CLOCK, OPEN, CLOCK, RANDOM]).reasons(), [RANDOM, CLOCK, OPEN]);
    }

    #[test]
    fn what_a_program_went_on_without_is_no_reason() {
        let mut refusals = refused(&[CLOCK]);
        for _ in 0..CALLS_OF_AN_END {
            refusals.succeeded("fd_write");
        }
        assert_eq!(refusals.reasons(), [CLOCK], "reporting takes calls");
        refusals.succeeded("fd_read");
        assert_eq!(refusals.reasons(), []);
        refusals.add(OPEN);
        assert_eq!(refusals.reasons(), [OPEN]);
    }

    #[test]
    fn what_was_found_elsewhere_is_no_reason() {
        let mut refusals = refused(&[CLOCK, OPEN]);
        refusals.succeeded("clock_time_get");
        assert_eq!(refusals.reasons(), [OPEN], "another clock did");
        refusals.succeeded("path_open");
        assert_eq!(refusals.reasons(), [OPEN], "reading is something else");
        refusals.changed_a_directory();
        assert_eq!(refusals.reasons(), []);
    }

    #[test]
    fn that_there_is_no_directory_counts_alone() {
        assert_eq!(refused(&[PREOPEN]).reasons(), [PREOPEN]);
        assert_eq!(refused(&[PREOPEN, CLOCK]).reasons(), [CLOCK]);
        assert_eq!(refused(&[CLOCK, PREOPEN]).reasons(), [CLOCK]);
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_recognised() {
        assert!(says_no_thread(b"failed to spawn thread: Error { kind: Unsupported, .. }"));
        assert!(says_no_thread(
            b"libc++abi: terminating due to uncaught exception: thread constructor failed: x"
        ));
        assert!(says_no_thread(b"RuntimeError: can't start new thread\n"));
        assert!(!says_no_thread(b"failed to spawn process"));
        assert!(!says_no_thread(b""));
    }
}
