//! System calls (capos_abi::Syscall).

use crate::{kernel::Kernel, system::process::ExitCause};
use capos_abi::{ErrorCode, Syscall};

/// The return value for an error.
#[inline]
pub fn failure(error: ErrorCode) -> i64 {
    -i64::from(error as i32)
}

/// Carries out the system call `number` for the current thread.
#[inline(always)]
pub(crate) fn dispatch(kernel: &mut Kernel, number: u64, arguments: [u64; 3]) {
    let [first, second, third] = arguments;
    let result = match Syscall::from_raw(number) {
        Some(Syscall::CapEnter) => return kernel.cap_enter(first, second, third),
        Some(Syscall::FutexWait) => match u32::try_from(second) {
            Ok(expected) => kernel.system.futex_wait(first, expected, third).map_or_else(failure, |()| 0),
            Err(_) => failure(ErrorCode::InvalidArgument),
        },
        Some(Syscall::FutexWake) => wake(kernel, first, second),
        Some(Syscall::Yield) => {
            kernel.system.yield_current();
            0
        }
        Some(Syscall::SetAlarm) => return kernel.set_alarm(first),
        Some(Syscall::ThreadExit) => return kernel.exit_thread(first),
        Some(Syscall::ProcessExit) => return exit_process(kernel, first),
        Some(Syscall::FaultReturn) => match kernel.system.fault_return(first) {
            Ok(()) => return,
            Err(error) => failure(error),
        },
        None => failure(ErrorCode::InvalidOpcode),
    };
    kernel.system.set_current_result(result);
}

#[cold]
fn exit_process(kernel: &mut Kernel, status: u64) {
    let Some(id) = kernel.system.current_process() else { return };
    // The status is the low 32 bits, as C's `int` is.
    #[expect(clippy::cast_possible_truncation, reason = "the status is the low half of the register")]
    let status = status as i32;
    kernel.system.end_process(id, ExitCause::Exited(status));
}

fn wake(kernel: &mut Kernel, word: u64, count: u64) -> i64 {
    let Some(process) = kernel.system.current_process() else { return 0 };
    kernel.system.wake_futex(process, word, u32::try_from(count).unwrap_or(u32::MAX)).into()
}
