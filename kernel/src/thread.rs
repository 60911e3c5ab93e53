//! Threads: their state, waiting, creation and end.

mod futex;
mod lifecycle;
mod wait;

use crate::{
    arch::{Resume, ThreadState},
    ipc::RingPosition,
    mm::Ring,
    process::ProcessId,
    sched::TimerEvent,
    work::Work,
};
use alloc::boxed::Box;
use capos_kernel_core::{arena::Id, timers::TimerId};

pub(crate) use futex::Waking;
pub use futex::{FutexLinks, FutexWaiters};
pub use lifecycle::{NewThread, SpawnThreadError};
pub use wait::Wait;

/// Identifies a thread.
pub type ThreadId = Id<Thread>;

/// Whether a thread runs, is ready, or waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Ready to run.
    Ready,
    /// Running, or about to when its CPU leaves the kernel.
    Running,
    /// Waits.
    Waiting(Wait),
}

/// A thread's control block: the complete state of a thread that is not running.
pub struct Thread {
    /// The process it belongs to.
    pub process: ProcessId,
    /// Its slot in its process, which is also that of its ring.
    pub slot: u32,
    /// From 1 to 31; higher priorities run first.
    pub priority: u8,
    /// Its run state.
    pub run_state: RunState,
    /// Its ring.
    pub ring: Ring,
    /// The kernel's position in the ring.
    pub(crate) ring_position: RingPosition,
    /// Its processor state.
    pub(crate) state: Box<ThreadState>,
    /// How it resumes: in its program, or with its remaining work in the kernel.
    pub(crate) resume: Resume,
    /// Its links to other threads that wait on futexes.
    pub(crate) futex: FutexLinks,
    /// Its remaining work in the kernel.
    pub(crate) work: Work,
    /// Deadline of the current or last wait; `NO_DEADLINE` without one.
    pub(crate) wait_until_ns: u64,
    /// Its pending timer and the time it is set to. It is kept when a wait ends early, since the next often has
    /// the same deadline.
    pub(crate) timer: Option<(u64, TimerId<TimerEvent>)>,
    /// Its fault stack: start and length; with length 0 faults are handled on the thread's own stack.
    pub fault_stack: (u64, u64),
}
