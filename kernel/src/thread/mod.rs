//! Threads: what they wait for, and how they come and go.

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

/// Names a thread.
pub type ThreadId = Id<Thread>;

/// Whether a thread runs, could run, or waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// Wants to run.
    Ready,
    /// Runs, or will when its CPU leaves the kernel.
    Running,
    /// Waits.
    Waiting(Wait),
}

/// A thread's control block. It is all there is of a thread that does not run.
pub struct Thread {
    /// The process it belongs to.
    pub process: ProcessId,
    /// Its place in its process, which is also its ring's.
    pub slot: u32,
    /// 1 to 31; higher runs first.
    pub priority: u8,
    /// Its run state.
    pub run_state: RunState,
    /// Its ring.
    pub ring: Ring,
    /// Where the kernel stands in it.
    pub(crate) ring_position: RingPosition,
    /// Its processor state.
    pub(crate) state: Box<ThreadState>,
    /// The way it resumes: with its program, or with the work that it has left to do in the kernel.
    pub(crate) resume: Resume,
    /// Its neighbours among those that wait for words.
    pub(crate) futex: FutexLinks,
    /// The work that it has left to do in the kernel.
    pub(crate) work: Work,
    /// When its present wait, or the last, ends at the latest; `NO_DEADLINE` without one.
    pub(crate) wait_until_ns: u64,
    /// The timer that it has, and for when. It stays when a wait ends early: the next often has the same deadline.
    pub(crate) timer: Option<(u64, TimerId<TimerEvent>)>,
    /// Where its faults are handled: start and length; 0 length for its own stack.
    pub fault_stack: (u64, u64),
}
