//! Interrupting guests, whose code has no checks of its own: an alarm takes the processor from them.
// Unsafe here: changes a guest's stack and registers.
#![expect(unsafe_code, reason = "makes an interrupted guest call a function")]

use capos_rt::{abi::FaultFrame, alarm, now_ns};
use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// Bytes below a stack pointer that code may use.
pub(crate) const SKIPPED_BYTES: usize = 128;
/// The time until the next attempt if the guest is calling a function of the host or of wasmtime's. It doubles with each
/// attempt, so that the function makes progress however long an alarm takes on a busy machine, also one that interrupts the
/// handler of another.
const FIRST_RETRY_NS: u64 = 50_000;
const LAST_RETRY_NS: u64 = 400_000_000;

/// The guest that runs. Only its thread and that thread's alarms access this.
static START: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);
static UNTIL_NS: AtomicU64 = AtomicU64::new(u64::MAX);
static RETRY_NS: AtomicU64 = AtomicU64::new(FIRST_RETRY_NS);
/// Whether the guest's time has passed while it was calling a function. Those of the host then end its turn.
static IS_DUE: AtomicBool = AtomicBool::new(false);
/// Whether an alarm is set, for `UNTIL_NS` or an earlier time.
static IS_SET: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    safe fn capos_interrupted();
}

/// Lets a guest run until a time; then it is interrupted within `code`.
pub(crate) fn run_until(code: Range<usize>, time_ns: u64) {
    START.store(code.start, Relaxed);
    END.store(code.end, Relaxed);
    UNTIL_NS.store(time_ns, Relaxed);
    RETRY_NS.store(FIRST_RETRY_NS, Relaxed);
    IS_DUE.store(false, Relaxed);
    // An alarm for another guest before comes no later.
    if !IS_SET.swap(true, Relaxed) {
        alarm::set(time_ns);
    }
}

/// No guest runs any more. An alarm that is set finds nothing to do.
pub(crate) fn stop() {
    UNTIL_NS.store(u64::MAX, Relaxed);
}

/// Whether the guest's time has passed, seen from a function of the host that it is calling.
pub(crate) fn is_due() -> bool {
    IS_DUE.load(Relaxed)
}

/// The alarm has gone off.
pub(crate) fn alarm(frame: &mut FaultFrame) {
    let until = UNTIL_NS.load(Relaxed);
    if until == u64::MAX {
        IS_SET.store(false, Relaxed);
        return;
    }
    let now = now_ns();
    let is_in_guest = (START.load(Relaxed)..END.load(Relaxed)).contains(&(frame.rip as usize));
    if now < until || !is_in_guest {
        let retry = RETRY_NS.load(Relaxed);
        IS_DUE.store(now >= until, Relaxed);
        RETRY_NS.store((2 * retry).min(LAST_RETRY_NS), Relaxed);
        return alarm::set(until.max(now + retry));
    }
    IS_SET.store(false, Relaxed);
    let stack = frame.rsp as usize - SKIPPED_BYTES - size_of::<u64>();
    // SAFETY: the guest's stack has room for the host's functions below every frame of the guest, and nothing is in use
    // below the bytes that are skipped.
    unsafe { (stack as *mut u64).write(frame.rip) };
    frame.rsp = stack as u64;
    frame.rip = (capos_interrupted as *const ()).addr() as u64;
}

/// Suspends the guest that was interrupted. Called on its stack, by `capos_interrupted`.
pub(crate) extern "C" fn suspend() {
    // SAFETY: the frame below is that of `capos_interrupted`, which has no destructors; below that is a function of a module,
    // because `alarm` interrupts nothing else.
    unsafe { wasmtime::suspend_interrupted() };
}
