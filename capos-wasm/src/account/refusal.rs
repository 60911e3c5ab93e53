//! Refusals: authority that a program requested but was not granted, with text that says how to grant it.

use super::said::{
    OF_DESCRIPTORS, OF_FILES, OF_INPUT, OF_MEMORY, OF_QUOTAS, OF_RANDOMNESS, OF_RIGHTS, OF_TABLES, OF_TIME,
    Said,
};
use crate::End;
use std::fmt;

/// Something that an instance was not granted.
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
    /// Any directory, for a program that listed those granted.
    Preopen,
    /// Any directory, for a program that used a path.
    Directory,
    /// A right for a directory or file.
    Right,
    /// Linear memory beyond the instance's limit.
    Memory,
    /// Stack for nested calls beyond the instance's limit.
    Stack,
    /// A second thread.
    Threads,
    /// Table elements beyond the instance's limit.
    TableElements,
    /// A descriptor beyond the instance's limit.
    Descriptor,
    /// More open files than the server of its directory allows.
    OpenObject,
    /// A capability slot of the host process.
    Slot,
    /// Space beyond a directory's quota.
    Quota,
}

/// A call that failed because of a missing grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The function.
    pub import: &'static str,
    /// The authority that was missing.
    pub missing: Missing,
}

impl Missing {
    /// The name of the capability.
    pub fn capability(self) -> &'static str {
        match self {
            Self::Timer => "Timer",
            Self::WallClock => "WallClock",
            Self::Entropy => "EntropySource",
            Self::Stdin => "a Console, pipe or File as standard input",
            Self::Stdout => "a Console, pipe or File as standard output",
            Self::Stderr => "a Console, pipe or File as standard error",
            Self::Preopen | Self::Directory => "a Namespace (preopened directory)",
            Self::Right => "a right that its Namespace (preopened directory) was not granted with",
            Self::Memory => "more linear memory than its limit allows",
            Self::Stack => "more stack than its limit allows",
            Self::Threads => "threads, and a program has one here",
            Self::TableElements => "more table elements than its limit allows",
            Self::Descriptor => "more descriptors than its limit allows",
            Self::OpenObject => "more open files than the server of its directory allows for one grant",
            Self::Slot => "more capability slots than the limit of its host allows",
            Self::Quota => "more space than the quota of its directory allows",
        }
    }

    /// Whether many programs that request it can continue without, or use something else.
    fn can_be_done_without(self) -> bool {
        matches!(self, Self::Timer | Self::WallClock | Self::Entropy)
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
            Self::Preopen | Self::Directory => {
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
            Self::OpenObject => {
                "divide them among several entries of `preopens` in the manifest or pass --dir or --volume several times"
            }
            Self::Slot => "raise `limits.capabilitySlots` of its host in the manifest",
            Self::Quota => "raise the `quota` of its entry in `preopens`",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { import, missing } = self;
        write!(f, "{import} needs {}: {}", missing.capability(), missing.remedy())
    }
}

/// A program that made more successful calls than this continued after the refusal rather than reporting an error and
/// exiting.
const CALLS_OF_AN_END: u64 = 200;

/// More bytes than this on standard output are taken for the program's normal output rather than an error
/// message.
const OUTPUT_OF_AN_END: u64 = 512;

/// The program's progress since a refusal.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Calls that succeeded.
    calls: u64,
    /// Successful calls that are not typical of reporting an error and exiting.
    other_calls: u64,
    /// Bytes written to standard output.
    output_bytes: u64,
}

/// The refusals of one instance that may be the reason for its end, each kind once.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Each with the program's progress at that time; the latest last.
    list: Vec<(Refusal, Progress)>,
    /// The function being called, if the call was refused something.
    refused: Option<&'static str>,
    progress: Progress,
    said: Said,
}

impl Refusals {
    pub(crate) fn add(&mut self, refusal: Refusal) {
        // Both fields come from constant tables, so the number of different refusals is limited.
        self.list.retain(|(earlier, _)| *earlier != refusal);
        self.list.push((refusal, self.progress));
        self.refused = Some(refusal.import);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Records that a call of this function succeeded; `reports` says whether the function is typically used
    /// to report an error and exit.
    pub(crate) fn succeeded(&mut self, import: &str, reports: bool) {
        // A call may succeed and yet report a refusal: `poll_oneoff` does so in an event.
        if self.list.is_empty() || self.refused.take() == Some(import) {
            return;
        }
        self.progress.calls += 1;
        // The program requested another clock, or used another function.
        self.list.retain(|(refusal, _)| !refusal.missing.can_be_done_without() || refusal.import != import);
        self.progress.other_calls += u64::from(!reports);
    }

    /// Records that a call failed.
    pub(crate) fn failed(&mut self) {
        self.refused = None;
    }

    /// Records a message of `length` bytes, which begins with `message`, on standard output or standard
    /// error.
    pub(crate) fn said(&mut self, is_error: bool, message: &[u8], length: u32) {
        if self.list.is_empty() {
            return;
        }
        self.said.add(is_error, message);
        if !is_error {
            self.progress.output_bytes += u64::from(length);
        }
    }

    /// A directory was changed: the program found another place where it has the right.
    pub(crate) fn changed_a_directory(&mut self) {
        self.list.retain(|(refusal, _)| refusal.missing != Missing::Right);
    }

    /// The program violated WebAssembly's rules, and the trap says how. This does not apply to lack of memory,
    /// which may also lead to such a trap but has its own kind of end.
    pub(crate) fn trap_says_why(&mut self) {
        self.list.retain(|(refusal, _)| refusal.missing == Missing::Memory);
    }

    /// All refusals of calls of this function, the earliest first.
    pub(crate) fn of(&self, import: &str) -> Vec<Refusal> {
        self.list.iter().map(|(refusal, _)| *refusal).filter(|refusal| refusal.import == import).collect()
    }

    /// The refusals that may be the reason for the instance's failure, the latest first; before it has ended, those that
    /// would be if it failed.
    /// Exceeding the stack limit ends an instance, and is then the only reason; exceeding other limits is reported by
    /// ends that name their options.
    /// A missing directory is listed only if there is no other refusal, and a missing output last.
    pub(crate) fn reasons(&self, end: Option<&End>) -> Vec<Refusal> {
        let only = |missing| {
            let mut of_it = self.list.iter().rev().map(|(refusal, _)| *refusal);
            of_it.find(|refusal| refusal.missing == missing).into_iter().collect()
        };
        match end {
            _ if self.list.iter().any(|(refusal, _)| refusal.missing == Missing::Stack) => {
                only(Missing::Stack)
            }
            Some(End::OutOfMemory) => only(Missing::Memory),
            Some(End::OutOfFuel(_) | End::OutOfTime | End::OutOfOutput | End::Killed) => Vec::new(),
            Some(End::Exited(_) | End::Trap(_) | End::FailedToStart(_)) | None => self.of_a_failure(),
        }
    }

    fn of_a_failure(&self) -> Vec<Refusal> {
        let causal = self.list.iter().rev().filter(|(refusal, before)| self.is_causal(refusal, before));
        let causal: Vec<_> = causal.map(|(refusal, _)| *refusal).collect();
        let telling = |refusal: &&Refusal| !matches!(refusal.missing, Missing::Preopen | Missing::Directory);
        let mut reasons: Vec<_> = match causal.iter().any(|refusal| telling(&refusal)) {
            true => causal.iter().filter(telling).copied().collect(),
            false => causal,
        };
        // Programs rarely fail for lack of an output, but what they wrote there may have been the reason.
        reasons.sort_by_key(|refusal| matches!(refusal.missing, Missing::Stdout | Missing::Stderr));
        reasons
    }

    /// Whether the program probably ended because of the refusal: it ended soon after, or its output mentions it.
    /// Many programs request a clock or random bytes when they start and continue without, every program that can use
    /// files looks for directories when it starts, and some try what they may do, such as whether a file can be written.
    fn is_causal(&self, refusal: &Refusal, before: &Progress) -> bool {
        let late = self.progress.calls - before.calls <= CALLS_OF_AN_END;
        let at_the_end = late
            && self.progress.other_calls == before.other_calls
            && self.progress.output_bytes - before.output_bytes <= OUTPUT_OF_AN_END;
        let mentioned = |words| at_the_end || late && self.said.speaks_of(words);
        match refusal.missing {
            Missing::Timer | Missing::WallClock => at_the_end || self.said.errors_speak_of(OF_TIME),
            Missing::Entropy => at_the_end || self.said.errors_speak_of(OF_RANDOMNESS),
            Missing::Preopen => self.said.speaks_of(OF_FILES),
            Missing::Directory => mentioned(OF_FILES),
            Missing::Right => mentioned(OF_RIGHTS) || mentioned(OF_FILES),
            Missing::Descriptor | Missing::OpenObject | Missing::Slot => mentioned(OF_DESCRIPTORS),
            Missing::Quota => mentioned(OF_QUOTAS),
            Missing::Stdin => mentioned(OF_INPUT),
            Missing::Memory => at_the_end || late && self.said.errors_speak_of(OF_MEMORY),
            Missing::TableElements => at_the_end || late && self.said.errors_speak_of(OF_TABLES),
            Missing::Stdout | Missing::Stderr | Missing::Stack | Missing::Threads => late,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CALLS_OF_AN_END, Missing, OUTPUT_OF_AN_END, Refusal, Refusals};
    use crate::{End, Trap};

    const CLOCK: Refusal = Refusal { import: "clock_time_get", missing: Missing::Timer };
    const RANDOM: Refusal = Refusal { import: "random_get", missing: Missing::Entropy };
    const OPEN: Refusal = Refusal { import: "path_open", missing: Missing::Right };
    const PREOPEN: Refusal = Refusal { import: "fd_prestat_get", missing: Missing::Preopen };

    const PATH: Refusal = Refusal { import: "path_open", missing: Missing::Directory };
    const MEMORY: Refusal = Refusal { import: "memory.grow", missing: Missing::Memory };
    const STACK: Refusal = Refusal { import: "a nested call", missing: Missing::Stack };
    const SLEEP: Refusal = Refusal { import: "poll_oneoff", missing: Missing::Timer };
    const FAILED: Option<&End> = Some(&End::Exited(1));

    fn refused(list: &[Refusal]) -> Refusals {
        let mut refusals = Refusals::default();
        for refusal in list {
            refusals.add(*refusal);
            refusals.failed();
        }
        refusals
    }

    #[test]
    fn a_refusal_within_a_call_that_succeeds_stays() {
        let mut refusals = Refusals::default();
        for _ in 0..2 {
            refusals.add(SLEEP);
            refusals.succeeded("poll_oneoff", false);
            assert_eq!(refusals.reasons(FAILED), [SLEEP]);
        }
        refusals.succeeded("poll_oneoff", false);
        assert_eq!(refusals.reasons(FAILED), [], "it waited for something else");
    }

    #[test]
    fn the_latest_comes_first_and_each_once() {
        assert_eq!(refused(&[CLOCK, OPEN, CLOCK, RANDOM]).reasons(FAILED), [RANDOM, CLOCK, OPEN]);
    }

    #[test]
    fn what_a_program_went_on_without_is_no_reason() {
        let mut refusals = refused(&[CLOCK]);
        for _ in 0..CALLS_OF_AN_END {
            refusals.succeeded("fd_write", true);
        }
        assert_eq!(refusals.reasons(FAILED), [CLOCK], "reporting takes calls");
        refusals.succeeded("fd_read", false);
        assert_eq!(refusals.reasons(FAILED), []);
        refusals.add(OPEN);
        assert_eq!(refusals.reasons(FAILED), [OPEN]);
    }

    #[test]
    fn what_was_found_elsewhere_is_no_reason() {
        let mut refusals = refused(&[CLOCK, OPEN]);
        refusals.succeeded("clock_time_get", false);
        assert_eq!(refusals.reasons(FAILED), [], "another clock did, and the program went on");
        let message = b"a.log: Operation not permitted\n";
        refusals.said(true, message, message.len() as u32);
        refusals.succeeded("path_open", false);
        assert_eq!(refusals.reasons(FAILED), [OPEN], "reading is something else");
        refusals.changed_a_directory();
        assert_eq!(refusals.reasons(FAILED), []);
    }

    #[test]
    fn that_there_is_no_directory_counts_alone_and_where_it_is_said() {
        let saying = |is_error: bool, message: &str, list: &[Refusal]| {
            let mut refusals = refused(list);
            refusals.said(is_error, message.as_bytes(), message.len() as u32);
            refusals.reasons(FAILED)
        };
        for is_error in [false, true] {
            assert_eq!(saying(is_error, "x: No such file or directory\n", &[PREOPEN]), [PREOPEN]);
            assert_eq!(saying(is_error, "x: No such file or directory\n", &[PREOPEN, CLOCK]), [CLOCK]);
            assert_eq!(saying(is_error, "x: No such file or directory\n", &[CLOCK, PREOPEN]), [CLOCK]);
            assert_eq!(saying(is_error, "3 is not a prime\n", &[PREOPEN]), []);
        }
        assert_eq!(refused(&[PREOPEN]).reasons(FAILED), [], "looking for directories is no use of files");
        assert_eq!(refused(&[PREOPEN, PATH]).reasons(FAILED), [PATH], "a path is");
    }

    #[test]
    fn what_was_only_tried_is_a_reason_where_a_message_speaks_of_it() {
        let of = |missing| Refusal { import: "fd_write", missing };
        for (missing, message) in [
            (Missing::Right, "error: attempt to write a readonly database"),
            (Missing::Right, "Os { code: 63, kind: PermissionDenied, message: \"Operation not permitted\" }"),
            (Missing::Descriptor, "x: No file descriptors available"),
            (Missing::OpenObject, "open x: too many open files"),
            (Missing::Slot, "x: Too many open files in system"),
            (Missing::Quota, "write: Quota exceeded"),
            (Missing::Stdin, "cannot read standard input"),
            (Missing::Memory, "memory allocation of 8 bytes failed"),
            (Missing::TableElements, "table overflow"),
        ] {
            let refusal = of(missing);
            assert_eq!(refused(&[refusal]).reasons(FAILED), [refusal], "nothing came after {missing:?}");
            let mut refusals = refused(&[refusal]);
            refusals.succeeded("args_get", false);
            assert_eq!(refusals.reasons(FAILED), [], "{missing:?}: the program went on");
            refusals.said(true, b"expected a number, found x\n", 27);
            assert_eq!(refusals.reasons(FAILED), [], "{missing:?}: the program said something else");
            refusals.said(true, message.as_bytes(), message.len() as u32);
            assert_eq!(refusals.reasons(FAILED), [refusal], "{message}");
        }
    }

    #[test]
    fn a_missing_output_comes_last() {
        let [out, err] =
            [Missing::Stdout, Missing::Stderr].map(|missing| Refusal { import: "fd_write", missing });
        let refusals = refused(&[OPEN, out, err, Refusal { import: "fd_fdstat_get", ..out }]);
        assert_eq!(refused(&[OPEN, out, err]).reasons(FAILED), [OPEN, err, out]);
        assert_eq!(refusals.of("fd_write"), [out, err], "asking for a stream's kind is no output");
    }

    #[test]
    fn a_message_about_files_counts_however_late_it_comes() {
        let mut refusals = refused(&[PREOPEN]);
        (0..=CALLS_OF_AN_END).for_each(|_| refusals.succeeded("fd_read", false));
        refusals.said(true, b"open: Capabilities insufficient", 31);
        assert_eq!(refusals.reasons(FAILED), [PREOPEN]);
    }

    #[test]
    fn clocks_and_random_bytes_are_reasons_at_the_end_only() {
        for refusal in [CLOCK, RANDOM] {
            let mut refusals = refused(&[refusal]);
            for call in ["environ_sizes_get", "environ_get", "fd_fdstat_get", "fd_write", "fd_close"] {
                refusals.succeeded(call, true);
            }
            refusals.said(false, b"boo", OUTPUT_OF_AN_END as u32);
            assert_eq!(refusals.reasons(FAILED), [refusal], "that is a report");
            let mut talkative = refused(&[refusal]);
            talkative.said(false, b"boo", OUTPUT_OF_AN_END as u32 + 1);
            assert_eq!(talkative.reasons(FAILED), [], "that is work");
            for call in ["args_get", "poll_oneoff", "fd_read", "path_open"] {
                let mut refusals = refused(&[refusal]);
                refusals.succeeded(call, false);
                refusals.said(true, b"panic: boo", 10);
                assert_eq!(refusals.reasons(FAILED), [], "{call}");
            }
            refusals.add(refusal);
            assert_eq!(refusals.reasons(FAILED), [refusal], "it was refused again");
        }
    }

    #[test]
    fn clocks_and_random_bytes_are_reasons_where_a_message_speaks_of_them() {
        let mut refusals = refused(&[CLOCK, RANDOM]);
        refusals.succeeded("args_get", false);
        refusals.said(true, b"no ran", 6);
        refusals.said(true, b"dom bytes\n", 10);
        assert_eq!(refusals.reasons(FAILED), [RANDOM]);
        refusals.said(true, b"nor a Clock\n", 12);
        assert_eq!(refusals.reasons(FAILED), [RANDOM, CLOCK]);
    }

    #[test]
    fn limits_and_traps_that_say_why_have_no_other_reason() {
        let list = [PREOPEN, PATH, MEMORY, OPEN, CLOCK, RANDOM];
        for end in [End::OutOfFuel(1), End::OutOfTime, End::OutOfOutput, End::Killed] {
            assert_eq!(refused(&list).reasons(Some(&end)), [], "{end}");
        }
        assert_eq!(refused(&list).reasons(Some(&End::OutOfMemory)), [MEMORY]);
        let trap = End::Trap(Trap { message: "integer divide by zero".to_owned(), backtrace: Vec::new() });
        let mut refusals = refused(&[PREOPEN, PATH, OPEN, CLOCK, RANDOM]);
        assert!(!refusals.reasons(Some(&trap)).is_empty(), "a program that fails may trap");
        refusals.trap_says_why();
        assert_eq!(refusals.reasons(Some(&trap)), []);
        refusals.add(STACK);
        assert_eq!(refusals.reasons(Some(&trap)), [STACK]);
    }
}
