//! Measures the longest time without a preemption point. Interrupts and steps of work are always measured, system calls
//! only once requested, because it costs each of them a few instructions.

use crate::{arch, kernel::Kernel, system::thread::JobKind};
use capos_kernel_core::caps::ObjectKind;
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// The kind of a kernel entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// By the system call with this number.
    SystemCall(u64),
    /// By the interrupt or exception with this number.
    Interrupt(u64),
    /// A step of a thread's work.
    Work,
}

/// Time of the last preemption check of an operation that is not done in steps, and the longest time without such a
/// check since the entry.
static LOOKED_TSC: AtomicU64 = AtomicU64::new(0);
static LONGEST_TSC: AtomicU64 = AtomicU64::new(0);

/// Records a kernel entry.
pub(crate) fn begin() {
    LOOKED_TSC.store(arch::time::read_tsc(), Ordering::Relaxed);
    LONGEST_TSC.store(0, Ordering::Relaxed);
}

/// Records a preemption check.
pub(crate) fn looked() {
    LONGEST_TSC.store(longest(), Ordering::Relaxed);
    LOOKED_TSC.store(arch::time::read_tsc(), Ordering::Relaxed);
}

/// The longest time without a check since the entry.
fn longest() -> u64 {
    let since = arch::time::read_tsc().saturating_sub(LOOKED_TSC.load(Ordering::Relaxed));
    since.max(LONGEST_TSC.load(Ordering::Relaxed))
}

/// The longest stretch so far, and its likely cause.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    tsc: u64,
    entry: Entry,
    /// The kind of the last called object, and the number of the method.
    call: Option<(ObjectKind, u16)>,
    /// The job of the last step.
    job: Option<JobKind>,
}

/// The record of kernel times.
pub(crate) struct Stretches {
    longest: Stretch,
    /// As in [`Stretch`], for the current entry.
    pub(crate) call: Option<(ObjectKind, u16)>,
    pub(crate) job: Option<JobKind>,
}

impl Stretch {
    const NONE: Self = Self { tsc: 0, entry: Entry::Work, call: None, job: None };

    /// Its length.
    pub(crate) fn nanoseconds(&self) -> u64 {
        arch::time::duration_ns(self.tsc)
    }
}

impl fmt::Display for Stretch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            Entry::SystemCall(number) => write!(f, "system call {number}")?,
            Entry::Interrupt(vector) => write!(f, "interrupt {vector:#x}")?,
            Entry::Work => match self.job {
                Some(job) => write!(f, "work {job:?}")?,
                None => write!(f, "work")?,
            },
        }
        match self.call {
            Some((kind, method)) => write!(f, ", after a call of method {method} of {kind:?}"),
            None => Ok(()),
        }
    }
}

impl Stretches {
    /// No measurements.
    pub(crate) const fn new() -> Self {
        Self { longest: Stretch::NONE, call: None, job: None }
    }

    /// Records the end of an entry.
    #[inline]
    pub(crate) fn note(&mut self, entry: Entry) {
        let tsc = longest();
        if tsc > self.longest.tsc {
            self.longest = Stretch { tsc, entry, call: self.call, job: self.job };
        }
    }
}

impl Kernel {
    /// The longest stretch since the last call. From now on system calls are measured.
    pub(crate) fn take_longest_stretch(&mut self) -> Stretch {
        arch::measure_syscalls();
        core::mem::replace(&mut self.stretches.longest, Stretch::NONE)
    }
}
