//! Futexes, sleeping and yielding.

use super::clock::monotonic_ns;
use super::errno::fail;
use crate::arch;
use capos_abi::{ErrorCode, NO_DEADLINE};
use core::sync::atomic::AtomicU32;
use hermit_abi::{FUTEX_RELATIVE_TIMEOUT, errno, timespec};

/// Nanoseconds in a time, unless it is negative; saturates.
fn nanoseconds(time: &timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).ok()?;
    let rest = u64::try_from(time.tv_nsec).ok()?;
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(rest))
}

/// A relative time needs the current time; without a timer it fails at once.
fn deadline(timeout: *const timespec, flags: u32) -> Result<u64, i32> {
    // SAFETY: the caller passes null or a timespec.
    let Some(timeout) = (unsafe { timeout.as_ref() }) else {
        return Ok(NO_DEADLINE);
    };
    let time = nanoseconds(timeout).ok_or(errno::EINVAL)?;
    if flags & FUTEX_RELATIVE_TIMEOUT == 0 {
        return Ok(time);
    }
    let now = monotonic_ns().map_err(|_| errno::EPERM)?;
    Ok(now.saturating_add(time))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_futex_wait(
    word: *mut u32,
    expected: u32,
    timeout: *const timespec,
    flags: u32,
) -> i32 {
    if word.is_null() || flags & !FUTEX_RELATIVE_TIMEOUT != 0 {
        return fail(errno::EINVAL);
    }
    let deadline = match deadline(timeout, flags) {
        Ok(deadline) => deadline,
        Err(errno) => return fail(errno),
    };
    // SAFETY: the caller passes a live, aligned word.
    let result = arch::futex_wait(unsafe { AtomicU32::from_ptr(word) }, expected, deadline);
    match i32::try_from(-result).ok().and_then(ErrorCode::from_raw) {
        None => 0,
        Some(ErrorCode::TimedOut) => -errno::ETIMEDOUT,
        Some(ErrorCode::WouldBlock) => -errno::EAGAIN,
        Some(_) => fail(errno::EFAULT),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_futex_wake(word: *mut u32, count: i32) -> i32 {
    let Ok(count) = u32::try_from(count) else {
        return fail(errno::EINVAL);
    };
    i32::try_from(arch::futex_wake(word, count)).unwrap_or(0).max(0)
}

/// Sleeps until `deadline_ns`, regardless of completions.
fn sleep_until(deadline_ns: u64) {
    let word = AtomicU32::new(0);
    while arch::futex_wait(&word, 0, deadline_ns) == 0 {}
}

/// Without the grant "timer" sleeping is impossible, and this aborts the process.
#[unsafe(no_mangle)]
extern "C" fn sys_usleep(microseconds: u64) {
    match monotonic_ns() {
        Ok(now) => sleep_until(now.saturating_add(microseconds.saturating_mul(1000))),
        Err(_) => panic!("sleeping needs the grant \"timer\""),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_nanosleep(time: *const timespec) -> i32 {
    match deadline(time, FUTEX_RELATIVE_TIMEOUT) {
        Ok(deadline) => {
            sleep_until(deadline);
            0
        }
        Err(errno) => fail(errno),
    }
}

#[unsafe(no_mangle)]
extern "C" fn sys_yield() {
    arch::yield_now();
}
