use capos_abi::ErrorCode;
use hermit_abi::errno;
use std::cell::Cell;

thread_local! {
    static LAST: Cell<i32> = const { Cell::new(0) };
}

/// Records `errno` as the thread's last error and returns it negated.
pub(super) fn fail(errno: i32) -> i32 {
    LAST.set(errno);
    -errno
}

/// The errno closest to a kernel error.
pub(super) fn from_code(code: ErrorCode) -> i32 {
    match code {
        ErrorCode::BadCapability | ErrorCode::MissingRights | ErrorCode::Revoked => errno::EPERM,
        ErrorCode::Disconnected => errno::EPIPE,
        ErrorCode::TimedOut => errno::ETIMEDOUT,
        ErrorCode::BadAddress => errno::EFAULT,
        ErrorCode::BudgetExceeded => errno::ENOMEM,
        ErrorCode::Overloaded | ErrorCode::WouldBlock => errno::EAGAIN,
        ErrorCode::Unimplemented => errno::ENOSYS,
        _ => errno::EIO,
    }
}

#[unsafe(no_mangle)]
extern "C" fn sys_get_errno() -> i32 {
    LAST.get()
}

#[unsafe(no_mangle)]
extern "C" fn sys_errno() -> i32 {
    LAST.get()
}
