//! Threads: their state, waiting, creation and end.

mod alarm;
mod check;
mod fault;
mod futex;
mod lifecycle;
mod ring;
mod wait;
mod work;

use crate::{
    arch::{self, Resume, ThreadState},
    mm::Ring,
    system::process::ProcessId,
};
use alloc::boxed::Box;
use capos_kernel_core::{
    alarm::Alarm,
    arena::{Arena, Id},
    timers::TimerId,
};
use core::ops::Deref;
use ring::RingPosition;
use wait::RunState;
use work::Work;

pub(crate) use fault::is_user_exception;
pub use futex::FutexWaiters;
pub use lifecycle::{NewThread, SpawnThreadError};
pub use wait::Wait;
pub(crate) use work::{Enter, Job, JobKind};

/// Identifies a thread.
pub type ThreadId = Id<Thread>;

/// More threads than any machine has memory for rings.
const MAX_THREADS: u32 = 1 << 20;

/// Every thread.
pub(super) struct Threads {
    all: Arena<Thread>,
    /// The thread that cleans up after ended capabilities.
    clearing_up: Option<ThreadId>,
}

impl Threads {
    pub(super) const fn new() -> Self {
        Self { all: Arena::new(MAX_THREADS), clearing_up: None }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: ThreadId) -> Option<&mut Thread> {
        self.all.get_mut(id)
    }

    #[inline(always)]
    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Thread> {
        self.all.at_mut(index)
    }

    /// Two threads, and the id of the second.
    #[inline(always)]
    pub(super) fn pair_at_mut(
        &mut self,
        first: u32,
        second: u32,
    ) -> Option<(&mut Thread, ThreadId, &mut Thread)> {
        self.all.pair_and_id_at_mut(first, second)
    }
}

/// Records are read freely; what is written goes through the methods above.
impl Deref for Threads {
    type Target = Arena<Thread>;

    #[inline(always)]
    fn deref(&self) -> &Arena<Thread> {
        &self.all
    }
}

/// A thread's control block: the complete state of a thread that is not running.
pub struct Thread {
    /// The process it belongs to.
    process: ProcessId,
    /// Its slot in its process, which is also that of its ring.
    slot: u32,
    /// From 1 to 31; higher priorities run first.
    priority: u8,
    /// Its run state.
    run_state: RunState,
    /// Its ring.
    ring: Ring,
    /// The kernel's position in the ring.
    ring_position: RingPosition,
    /// Its processor state.
    state: Box<ThreadState>,
    /// How it resumes: in its program, or with its remaining work in the kernel.
    resume: Resume,
    /// Its links to other threads that wait on futexes.
    futex: futex::FutexLinks,
    /// Its remaining work in the kernel.
    work: Work,
    /// Deadline of the current or last wait; `NO_DEADLINE` without one.
    wait_until_ns: u64,
    /// Its pending timer and the time it is set to. It is kept when a wait ends early, since the next often has
    /// the same deadline.
    timer: Option<(u64, TimerId<ThreadId>)>,
    /// Its alarm.
    alarm: Alarm,
    /// Its fault stack: start and length; with length 0 faults are handled on the thread's own stack.
    fault_stack: (u64, u64),
}

impl Thread {
    /// The process it belongs to.
    #[inline(always)]
    pub(crate) const fn process(&self) -> ProcessId {
        self.process
    }

    /// From 1 to 31; higher priorities run first.
    #[inline(always)]
    pub(crate) const fn priority(&self) -> u8 {
        self.priority
    }

    /// How it resumes.
    #[inline(always)]
    pub(super) const fn resume(&self) -> Resume {
        self.resume
    }

    /// Sets the return value of its system call.
    #[inline(always)]
    pub(crate) fn set_result(&mut self, result: i64) {
        self.state.set_result(result);
    }

    /// Takes its processor state out of the processor.
    #[inline(always)]
    pub(super) fn save(&mut self) {
        arch::save(&mut self.state);
    }

    /// Loads its processor state into the processor, whose previous state must have been saved.
    #[inline(always)]
    pub(super) fn install(&mut self) {
        arch::install(&mut self.state);
    }

    /// Like [`Self::install`], after a thread of another process.
    #[inline(always)]
    pub(super) fn install_other(&mut self) {
        arch::install_other(&mut self.state);
    }

    /// [Saves](Self::save) its state and [installs](Self::install) a thread of another process.
    #[inline(always)]
    pub(super) fn exchange(&mut self, entered: &mut Self) {
        arch::exchange(&mut self.state, &mut entered.state);
    }

    /// Handles faults on a stack of its own from now on.
    pub(crate) const fn set_fault_stack(&mut self, start: u64, length: u64) {
        self.fault_stack = (start, length);
    }
}
