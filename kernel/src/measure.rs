//! How long the kernel is busy without looking for something else to run. Interrupts and steps of work are always measured,
//! system calls only once somebody asked: that costs each of them a few instructions.

use crate::{arch, kernel::Kernel, work::JobKind};
use capos_kernel_core::caps::ObjectKind;
use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// How the kernel was entered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Entry {
    /// By the system call with this number.
    SystemCall(u64),
    /// By the interrupt or exception with this number.
    Interrupt(u64),
    /// For a step of a thread's work.
    Work,
}

/// When something that takes long and is not done in steps looked last whether something else is to run, and the longest
/// time without such a look since the entry.
static LOOKED_TSC: AtomicU64 = AtomicU64::new(0);
static LONGEST_TSC: AtomicU64 = AtomicU64::new(0);

/// Notes when the kernel was entered.
pub(crate) fn begin() {
    LOOKED_TSC.store(arch::time::read_tsc(), Ordering::Relaxed);
    LONGEST_TSC.store(0, Ordering::Relaxed);
}

/// Notes that the kernel looks whether something else is to run.
pub(crate) fn looked() {
    LONGEST_TSC.store(longest(), Ordering::Relaxed);
    LOOKED_TSC.store(arch::time::read_tsc(), Ordering::Relaxed);
}

/// The longest time without a look since the entry.
fn longest() -> u64 {
    let since = arch::time::read_tsc().saturating_sub(LOOKED_TSC.load(Ordering::Relaxed));
    since.max(LONGEST_TSC.load(Ordering::Relaxed))
}

/// The longest stretch so far, and what it may have been about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    tsc: u64,
    entry: Entry,
    /// The kind of object that was called last, and the number of the method.
    call: Option<(ObjectKind, u16)>,
    /// The job of which a step was taken last.
    job: Option<JobKind>,
}

/// The record of the time that the kernel takes.
pub(crate) struct Stretches {
    longest: Stretch,
    /// As in [`Stretch`], of now.
    pub(crate) call: Option<(ObjectKind, u16)>,
    pub(crate) job: Option<JobKind>,
}

impl Stretch {
    const NONE: Self = Self { tsc: 0, entry: Entry::Work, call: None, job: None };

    /// How long it was.
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
    /// Nothing measured.
    pub(crate) const fn new() -> Self {
        Self { longest: Stretch::NONE, call: None, job: None }
    }

    /// Notes that an entry ends.
    #[inline]
    pub(crate) fn note(&mut self, entry: Entry) {
        let tsc = longest();
        if tsc > self.longest.tsc {
            self.longest = Stretch { tsc, entry, call: self.call, job: self.job };
        }
    }
}

impl Kernel {
    /// The longest stretch since this was called last. From now on system calls are measured.
    pub(crate) fn take_longest_stretch(&mut self) -> Stretch {
        arch::measure_syscalls();
        core::mem::replace(&mut self.stretches.longest, Stretch::NONE)
    }
}
