//! Waking a thread's tasks from other threads.
//!
//! A thread that waits on its ring is woken only by completions. So before it sleeps, in a process with
//! several threads, it receives on a separate endpoint, the doorbell; another thread that wakes one of its
//! tasks calls that.

use crate::local;
use capos_abi::{Handle, Opcode, SubmissionEntry};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The badge with which a thread's doorbell is called.
pub(crate) const DOORBELL_BADGE: u64 = u64::MAX;

/// Number of threads started besides the first. Without any, no doorbell is needed.
pub(crate) static OTHER_THREADS: AtomicUsize = AtomicUsize::new(0);

/// The part of an executor that other threads access.
#[derive(Default, Debug)]
pub(super) struct Remote {
    woken: Mutex<Vec<usize>>,
    /// Set while the thread waits or is about to.
    sleeping: AtomicBool,
    /// The doorbell's handle, once it exists.
    doorbell: AtomicU64,
}

impl Remote {
    /// Called on another thread: records `task` (none for a `block_on`, which has its own signal) and rings.
    pub(super) fn wake(&self, task: Option<usize>) {
        if let Some(task) = task {
            self.woken.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
        if !self.sleeping.swap(false, Ordering::SeqCst) {
            return;
        }
        if let Some(local) = local::try_current() {
            local.submit(SubmissionEntry {
                opcode: Opcode::Call as u8,
                user_data: local::IGNORED,
                cap: self.doorbell.load(Ordering::Acquire),
                ..SubmissionEntry::default()
            });
            local.poll();
        }
    }

    /// Tasks woken from other threads since the last call.
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces sleep; wake-ups ring from now on. False if the doorbell must be created first.
    pub(super) fn fall_asleep(&self) -> bool {
        if self.doorbell.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.sleeping.store(true, Ordering::SeqCst);
        true
    }

    pub(super) fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }

    pub(super) fn set_doorbell(&self, doorbell: Handle) {
        self.doorbell.store(doorbell.0, Ordering::Release);
    }
}
