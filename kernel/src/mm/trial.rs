//! Fault injection: makes some of the kernel's allocations fail.
//!
//! Heap blocks and frames both count, in the order of their requests, whichever process causes them. Memory reserved at
//! the kernel's start is not requested and does not count.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Number of allocations up to and including the first failing one; 0 for none.
static BEFORE: AtomicU64 = AtomicU64::new(0);
/// Number of allocations that fail.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Makes `count` allocations fail, starting with number `number` from now; none if either is 0. Returns whether the
/// first failure of the previous request was still pending.
pub fn fail(number: u64, count: u32) -> bool {
    COUNT.store(if number == 0 { 0 } else { count }, Ordering::Relaxed);
    BEFORE.swap(if count == 0 { 0 } else { number }, Ordering::Relaxed) != 0
}

/// Whether the current allocation must fail.
#[inline]
pub(super) fn fails() -> bool {
    COUNT.load(Ordering::Relaxed) != 0 && count()
}

#[cold]
fn count() -> bool {
    let before = BEFORE.load(Ordering::Relaxed);
    BEFORE.store(before.saturating_sub(1), Ordering::Relaxed);
    if before > 1 {
        return false;
    }
    COUNT.fetch_sub(1, Ordering::Relaxed);
    true
}
