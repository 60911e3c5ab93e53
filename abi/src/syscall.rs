/// System calls: number in RAX, arguments in RDI, RSI, RDX; result in RAX (negative: an
/// [`ErrorCode`](crate::ErrorCode)). RCX, R11, RDI, RSI, RDX, R8, R9 and R10 are not preserved; vector
/// registers are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Syscall {
    /// `(submit: u32, wait_for: u32, deadline_ns: u64) -> unread completions`. Takes up to `submit` entries from
    /// the calling thread's submission queue, then waits until `wait_for` completions are unread or the
    /// monotonic clock reaches the deadline ([`NO_DEADLINE`]: for ever). Reaching the deadline is not an error.
    CapEnter = 0,
    /// `(word: *mut u32)`. Ends the calling thread; if `word` is not null, the kernel then stores 0 there and
    /// wakes every futex waiter on it. When the last thread ends, the process ends with status 0.
    ThreadExit = 1,
    /// `(status: i32)`. Ends the process.
    ProcessExit = 2,
    /// `(frame: *const FaultFrame)`. Resumes at the state in the frame. For fault handlers.
    FaultReturn = 3,
    /// `(word: *const u32, expected: u32, deadline_ns: u64) -> 0`. Waits while `*word == expected`, until woken.
    /// Errors: `WouldBlock`, `TimedOut`, `BadAddress`.
    FutexWait = 4,
    /// `(word: *const u32, count: u32) -> threads woken`. Only threads of the same process.
    FutexWake = 5,
    /// `()`. Lets other threads of the same priority run.
    Yield = 6,
    /// `(deadline_ns: u64) -> 0`. Sets the calling thread's only alarm, which replaces an earlier one; with
    /// [`NO_DEADLINE`] it has none. When the monotonic clock has reached the deadline and the thread is in user mode, or
    /// would continue there, it enters the fault handler with [`ALARM_VECTOR`](crate::ALARM_VECTOR), once. Waits are not
    /// ended.
    SetAlarm = 7,
}

impl Syscall {
    /// The call with this number, if there is one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u64) -> Option<Self> {
        Some(match raw {
            0 => Self::CapEnter,
            1 => Self::ThreadExit,
            2 => Self::ProcessExit,
            3 => Self::FaultReturn,
            4 => Self::FutexWait,
            5 => Self::FutexWake,
            6 => Self::Yield,
            7 => Self::SetAlarm,
            _ => return None,
        })
    }
}

/// A deadline that never comes.
pub const NO_DEADLINE: u64 = u64::MAX;
