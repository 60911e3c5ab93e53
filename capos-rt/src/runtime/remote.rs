//! Waking a thread's tasks from other threads.
//!
//! A thread that waits on its ring hears only completions. So one that is about to sleep, in a process with
//! several threads, receives on an endpoint of its own; who wakes a task of it from outside calls that.

use crate::local;
use capos_abi::{Handle, Opcode, SubmissionEntry};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The badge under which a thread's doorbell is called.
pub(crate) const DOORBELL_BADGE: u64 = u64::MAX;

/// Threads started so far besides the first. Without any, no doorbell is needed.
pub(crate) static OTHER_THREADS: AtomicUsize = AtomicUsize::new(0);

/// The part of an executor that other threads reach.
#[derive(Default, Debug)]
pub(super) struct Remote {
    woken: Mutex<Vec<usize>>,
    /// Set while the thread waits or is about to.
    sleeping: AtomicBool,
    /// The handle to call, once there is one.
    doorbell: AtomicU64,
}

impl Remote {
    /// Called on another thread: notes `task` (none for a `block_on`, whose signal says enough) and rings.
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

    /// Tasks woken from outside since the last time.
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Announces sleep; whatever is woken from now on rings. False if the doorbell is still to be set.
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
