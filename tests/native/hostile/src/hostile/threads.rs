//! Several threads, each with its ring, created without the runtime.
#![expect(unsafe_code, reason = "rings are reached at the addresses that the kernel gives")]

use crate::calls::invoke;
use crate::raw::{bootstrap, exit, syscall};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{
    COMPLETION_ENTRIES, COMPLETION_OFFSET, CompletionEntry, NO_DEADLINE, RingHeader, SUBMISSION_ENTRIES,
    SUBMISSION_OFFSET, SubmissionEntry, Syscall,
};
use capos_schema::process_capnp::thread_spawner;
use core::sync::atomic::Ordering;

const STACK_BYTES: usize = 16 * 1024;

/// The entry function of a thread: it gets the address of its ring and an argument.
pub(crate) type Entry = extern "sysv64" fn(u64, u64) -> !;

/// Starts a thread with its own stack. Returns the error, if any.
pub(crate) fn start(entry: Entry, argument: u64) -> Result<(), i32> {
    start_on(vec![0_u8; STACK_BYTES].leak(), entry, argument)
}

/// Starts a thread on `stack`.
pub(crate) fn start_on(stack: &'static [u8], entry: Entry, argument: u64) -> Result<(), i32> {
    let top = (stack.as_ptr() as u64 + stack.len() as u64) & !15;
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<thread_spawner::spawn_params::Builder<'_>>();
        root.set_entry(entry as *const () as u64);
        root.set_stack(top - 8);
        root.set_argument(argument);
    }
    let mut results = [0_u64; 64];
    let spawner = bootstrap().thread_spawner;
    let (done, _) = invoke(spawner, thread_spawner::Client::TYPE_ID, 0, &message, &mut results);
    if done.status == 0 { Ok(()) } else { Err(done.status) }
}

/// The ring of any thread.
#[derive(Clone, Copy)]
pub(crate) struct Ring(pub(crate) u64);

impl Ring {
    fn header(self) -> &'static RingHeader {
        // SAFETY: the kernel maps the ring at the address that it passed to its thread, and all fields are
        // atomics.
        unsafe { &*(self.0 as *const RingHeader) }
    }

    /// Adds a submission.
    pub(crate) fn push(self, entry: SubmissionEntry) {
        let tail = self.header().submission_tail.load(Ordering::Relaxed);
        let slot = (tail % SUBMISSION_ENTRIES) as usize;
        let entries = (self.0 as usize + SUBMISSION_OFFSET) as *mut SubmissionEntry;
        // SAFETY: the slot is within the ring; volatile because the kernel reads it.
        unsafe { entries.add(slot).write_volatile(entry) };
        self.header().submission_tail.store(tail.wrapping_add(1), Ordering::Release);
    }

    /// Takes the next completion, if there is one.
    pub(crate) fn pop(self) -> Option<CompletionEntry> {
        let head = self.header().completion_head.load(Ordering::Relaxed);
        if head == self.header().completion_tail.load(Ordering::Acquire) {
            return None;
        }
        let slot = (head % COMPLETION_ENTRIES) as usize;
        let entries = (self.0 as usize + COMPLETION_OFFSET) as *const CompletionEntry;
        // SAFETY: the slot is within the ring; volatile because the kernel writes it.
        let entry = unsafe { entries.add(slot).read_volatile() };
        self.header().completion_head.store(head.wrapping_add(1), Ordering::Release);
        Some(entry)
    }

    /// Submits `count` entries and waits for `wait_for` completions.
    pub(crate) fn enter(count: u32, wait_for: u32) {
        if syscall(Syscall::CapEnter as u64, count.into(), wait_for.into(), NO_DEADLINE) < 0 {
            exit(99);
        }
    }
}
