//! Trials of what happens when memory is used up: makes some allocations of the kernel fail.
//!
//! Blocks of the heap and frames count alike, in the order in which they are asked for, whoever caused it. What the kernel
//! sets aside at its start is not asked for.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How many allocations there are still to be, up to the first that fails and with it; 0 for none.
static BEFORE: AtomicU64 = AtomicU64::new(0);
/// How many are to fail.
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Makes `count` allocations fail, from the one that comes as number `number` from now on; none if either is 0. Returns
/// whether the first of those that were to fail before has not come yet.
pub fn fail(number: u64, count: u32) -> bool {
    COUNT.store(if number == 0 { 0 } else { count }, Ordering::Relaxed);
    BEFORE.swap(if count == 0 { 0 } else { number }, Ordering::Relaxed) != 0
}

/// Whether the allocation that is asked for now is to fail.
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
