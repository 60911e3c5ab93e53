//! Faults of user programs: pages are faulted in; other faults go to the process's handler or end the
//! process.

use crate::{
    arch::Trap,
    mm::{Access, FaultError},
    system::{
        System,
        process::{ExitCause, FaultCause, UsedUp},
    },
};
use capos_abi::{ErrorCode, FaultFrame, USER_END};

const PAGE_FAULT: u64 = 14;
const DEBUG: u64 = 1;
/// Compilers may keep data below the stack pointer, which a handler must not overwrite.
const RED_ZONE_BYTES: u64 = 128;
const FRAME_BYTES: u64 = size_of::<FaultFrame>() as u64;

impl System {
    /// Handles an exception of the current thread.
    pub(crate) fn user_exception(&mut self, trap: &Trap) {
        let Some(process_id) = self.current_process() else { return };
        let cause = FaultCause::of(trap);
        if trap.vector == PAGE_FAULT {
            let access = match (trap.error_code & 1 << 4 != 0, trap.error_code & 1 << 1 != 0) {
                (true, _) => Access::Execute,
                (false, true) => Access::Write,
                (false, false) => Access::Read,
            };
            let Some((space, objects)) = self.space(process_id) else { return };
            match space.handle_fault(objects, trap.address, access) {
                Ok(()) => return crate::arch::flush_page(trap.address),
                Err(FaultError::OutOfMemory) => {
                    let used_up = match space.budget.is_used_up() {
                        true => UsedUp::Budget,
                        false => UsedUp::Machine,
                    };
                    return self.end_process(process_id, ExitCause::OutOfMemory(cause, used_up));
                }
                Err(FaultError::NotAllowed) => {}
            }
        }
        if !self.enter_handler(trap) {
            self.end_process(process_id, ExitCause::Fault(cause));
        }
    }

    /// Makes the current thread continue in its process's fault handler. `false` if there is none or its frame
    /// does not fit.
    pub(super) fn enter_handler(&mut self, trap: &Trap) -> bool {
        let Some(thread) = self.current() else { return false };
        let stack = thread.state.stack_pointer();
        let (start, length) = thread.fault_stack;
        let on_fault_stack = stack > start && stack - start <= length;
        // A fault within the handler nests below it on the same stack.
        let top =
            if length > 0 && !on_fault_stack { start + length } else { stack.saturating_sub(RED_ZONE_BYTES) };
        let frame_address = top.saturating_sub(FRAME_BYTES) & !0xf;
        if length > 0 && frame_address < start {
            return false;
        }
        let (process, frame) = (thread.process, thread.state.fault_frame(trap));
        let handler = self.processes.get_mut(process).map_or(0, |process| process.fault_handler);
        if handler == 0 || self.copy_out(process.index(), frame_address, &frame_to_bytes(&frame)).is_err() {
            return false;
        }
        // As if the handler had been called: RSP + 8 is a multiple of 16.
        if let Some(thread) = self.current() {
            thread.state.enter_handler(handler, frame_address - 8, frame_address);
        }
        true
    }

    /// `FaultReturn`: resumes at the state in the frame at `address`.
    ///
    /// # Errors
    /// `BadAddress` if the frame is unreadable or contains an address outside user space.
    pub(crate) fn fault_return(&mut self, address: u64) -> Result<(), ErrorCode> {
        let process = self.current_process().ok_or(ErrorCode::Failed)?;
        let mut bytes = [0; FRAME_BYTES as usize];
        self.copy_in(process.index(), address, &mut bytes)?;
        let frame = frame_from_bytes(&bytes);
        if frame.rip >= USER_END || frame.rsp > USER_END || frame.thread_pointer >= USER_END {
            return Err(ErrorCode::BadAddress);
        }
        if let Some(thread) = self.current() {
            thread.state.restore_fault_frame(&frame);
        }
        Ok(())
    }
}

/// Whether an exception with this number can come from a program.
pub(crate) const fn is_user_exception(vector: u64) -> bool {
    matches!(vector, 0 | DEBUG | 3..=7 | 10..=14 | 16 | 17 | 19 | 21)
}

macro_rules! frame_words {
    ($($field:ident)*) => {
        fn frame_to_bytes(frame: &FaultFrame) -> [u8; FRAME_BYTES as usize] {
            let mut bytes = [0; FRAME_BYTES as usize];
            let words = [$(frame.$field,)*];
            for (into, word) in bytes.chunks_exact_mut(8).zip(words) {
                into.copy_from_slice(&word.to_le_bytes());
            }
            bytes
        }

        fn frame_from_bytes(bytes: &[u8; FRAME_BYTES as usize]) -> FaultFrame {
            let mut words = bytes.chunks_exact(8).map(|word| {
                word.try_into().map_or(0, u64::from_le_bytes)
            });
            // Fields are evaluated in the order written, which is the memory order.
            FaultFrame { $($field: words.next().unwrap_or_default(),)* }
        }
    };
}

frame_words! {
    rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags
    thread_pointer vector error_code address
}
