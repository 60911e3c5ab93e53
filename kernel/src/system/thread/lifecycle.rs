//! Creation and end of threads.

use super::{RingPosition, Thread, ThreadId, Work, futex::FutexLinks, wait::RunState};
use crate::{
    arch::{Resume, ThreadState},
    kernel::Kernel,
    mm::{self, RING_FRAMES, Ring, frames::Frame},
    system::{
        process::{ExitCause, ProcessId},
        sched::Forgotten,
    },
};
use capos_abi::{NO_DEADLINE, RING_AREA, RING_STRIDE, USER_END};
use capos_kernel_core::{alarm::Alarm, regions::Protection};

/// The initial state of a new thread.
#[derive(Clone, Copy, Debug)]
pub struct NewThread {
    /// Its first instruction.
    pub entry: u64,
    /// Its stack pointer.
    pub stack: u64,
    /// RSI; RDI holds the address of its ring.
    pub argument: u64,
    /// FS base.
    pub thread_pointer: u64,
    /// From 1 to 31, at most the process's limit.
    pub priority: u8,
}

/// The reason that a thread could not be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SpawnThreadError {
    /// An address is outside user space, or the priority is not allowed.
    InvalidArgument,
    /// The process's thread or frame budget is exhausted.
    BudgetExceeded,
    /// The process has ended.
    Ended,
}

impl super::Threads {
    /// Frees the record of a thread that nothing resumes any more.
    fn remove(&mut self, thread: Forgotten) -> Option<Thread> {
        self.all.remove(thread.id())
    }
}

impl Kernel {
    /// Creates a thread in a process and makes it ready. Returns it and the address of its ring.
    ///
    /// # Errors
    /// See [`SpawnThreadError`].
    pub fn spawn_thread(
        &mut self,
        process_id: ProcessId,
        new: NewThread,
    ) -> Result<(ThreadId, u64), SpawnThreadError> {
        let process = self.system.processes.live(process_id).ok_or(SpawnThreadError::Ended)?;
        let addresses = [new.entry, new.stack, new.thread_pointer];
        if addresses.iter().any(|&address| address >= USER_END)
            || new.priority == 0
            || new.priority > process.priority_limit()
        {
            return Err(SpawnThreadError::InvalidArgument);
        }
        if mm::frames::is_low() {
            return Err(SpawnThreadError::BudgetExceeded);
        }
        let slot = process.free_thread_slot().ok_or(SpawnThreadError::BudgetExceeded)?;
        let ring_address = RING_AREA + u64::from(slot) * RING_STRIDE;
        let mut frames = [None::<Frame>; RING_FRAMES];
        process
            .space
            .place_fixed(
                ring_address,
                RING_FRAMES as u64,
                Protection::READ | Protection::WRITE,
                |page, frame| {
                    if let Some(place) = frames.get_mut(page as usize) {
                        *place = Some(frame);
                    }
                },
            )
            .map_err(|_| SpawnThreadError::BudgetExceeded)?;
        let [Some(first), Some(second), Some(third)] = frames else {
            return Err(SpawnThreadError::BudgetExceeded);
        };
        let state = ThreadState::new(new.entry, new.stack, [ring_address, new.argument], new.thread_pointer);
        let id = state.and_then(|mut state| {
            self.system.threads.all.insert(Thread {
                process: process_id,
                slot,
                priority: new.priority,
                run_state: RunState::Ready,
                ring: Ring::new([first, second, third]),
                ring_position: RingPosition::default(),
                resume: Resume::installed(&mut state),
                state,
                work: Work::default(),
                futex: FutexLinks::NONE,
                wait_until_ns: NO_DEADLINE,
                timer: None,
                alarm: Alarm::OFF,
                fault_stack: (0, 0),
            })
        });
        let number = process_id.index();
        let id = match id {
            Ok(id)
                if self.system.admit(id)
                    && self.ipc.open_thread(id.index(), number, new.priority).is_ok() =>
            {
                id
            }
            other => {
                if let Ok(id) = other {
                    let thread = self.system.forget_thread(id);
                    self.system.threads.remove(thread);
                }
                if let Some((space, _)) = self.system.space(process_id) {
                    space.remove_fixed(ring_address, RING_FRAMES as u64);
                }
                return Err(SpawnThreadError::BudgetExceeded);
            }
        };
        if let Some(process) = self.system.processes.get_mut(process_id) {
            process.set_thread(slot, Some(id));
        }
        self.system.enqueue(id, new.priority);
        Ok((id, ring_address))
    }

    /// Removes a thread from the queues and its process, together with its ring.
    pub(crate) fn remove_thread(&mut self, id: ThreadId) {
        self.system.leave_futex(id);
        self.ipc.close_thread(&mut self.system, id.index());
        self.inherit_work(id);
        let forgotten = self.system.forget_thread(id);
        let Some(thread) = self.system.threads.remove(forgotten) else { return };
        if let Some((_, timer)) = thread.timer {
            self.system.sched.cancel_timer(timer);
        }
        // The memory of an ended process is freed as a whole.
        if let Some(process) = self.system.processes.live(thread.process) {
            process.set_thread(thread.slot, None);
            let ring = RING_AREA + u64::from(thread.slot) * RING_STRIDE;
            process.space.remove_fixed(ring, RING_FRAMES as u64);
        }
    }

    /// `ThreadExit`: ends the calling thread, then clears `word` (unless null) and wakes its waiters.
    #[inline(never)]
    pub fn exit_thread(&mut self, word: u64) {
        let Some(id) = self.system.current_thread() else { return };
        let Some(process_id) = self.system.current_process() else { return };
        let Some(process) = self.system.processes.live(process_id) else { return };
        if process.thread_count() == 1 {
            return self.system.end_process(process_id, ExitCause::Exited(0));
        }
        // A word that cannot be written is the process's own error; there is no thread left to report it to.
        if word != 0
            && word.is_multiple_of(4)
            && self.system.copy_out(process_id.index(), word, &0_u32.to_le_bytes()).is_ok()
        {
            return self.wake_all_and_exit(process_id, word);
        }
        self.remove_thread(id);
    }
}
