//! Many large reservations in one process, as a host of WebAssembly memories makes them.

use crate::calls::{done, must, protect, reserve, unmap};
use crate::raw::{peek, poke};

const PAGE: u64 = 4096;
const GIB: u64 = 1 << 30;
/// A memory of 4 GiB and its guard of 2 GiB.
const MEMORY: u64 = 4 * GIB;
const GUARD: u64 = 2 * GIB;
const COUNT: usize = 10_000;
/// Number of memories that are written to.
const TOUCHED: usize = 1000;

/// Reserves a memory that can be written, and its guard.
fn memory() -> u64 {
    let start = must(reserve(0, MEMORY + GUARD, ""));
    done(protect(start, MEMORY, "rw"));
    start
}

/// Makes 10,000, writes to some, replaces some, and unmaps all.
pub(crate) fn ten_thousand_memories() -> i32 {
    let starts: Vec<u64> = (0..COUNT).map(|_| memory()).collect();
    let touched =
        || (0..).zip(starts.iter().step_by(COUNT / TOUCHED)).map(|(value, start)| (start + PAGE, value));
    touched().for_each(|(at, value)| poke(at, value));
    if touched().any(|(at, value)| peek(at) != value) {
        return 1;
    }
    for place in (0..COUNT).step_by(97) {
        done(unmap(starts[place], MEMORY + GUARD));
        if memory() != starts[place] {
            return 2;
        }
    }
    starts.iter().for_each(|&start| done(unmap(start, MEMORY + GUARD)));
    i32::from(must(reserve(0, MEMORY, "")) != starts[0])
}

/// Reserves until that is refused, by the budget or by the address space. Everything stays for the kernel to free.
pub(crate) fn memories_until_refused() -> i32 {
    loop {
        let (status, start) = reserve(0, MEMORY + GUARD, "");
        if status != 0 {
            return status;
        }
        let status = protect(start, MEMORY, "rw");
        if status != 0 {
            return status;
        }
    }
}

/// Makes as many regions as there may be. Alternating protections keep them from being joined.
fn regions() -> u64 {
    let first = must(reserve(0, PAGE, "r"));
    let mut end = first + PAGE;
    while reserve(end, PAGE, if end / PAGE % 2 == first / PAGE % 2 { "r" } else { "rw" }).0 == 0 {
        end += PAGE;
    }
    end - first
}

/// Leaves them to the kernel.
pub(crate) fn regions_end() -> i32 {
    i32::from(regions() < 10_000 * PAGE)
}

/// Joins them all, with some touched, then makes holes and unmaps the rest.
pub(crate) fn regions_unmap() -> i32 {
    let last = must(reserve(0, PAGE, "rw"));
    done(unmap(last, PAGE));
    let length = regions();
    let count = length / PAGE;
    (0..count).step_by(64).for_each(|page| _ = peek(last + page * PAGE));
    done(protect(last, length, "r"));
    (0..count).step_by(2).for_each(|page| done(unmap(last + page * PAGE, PAGE)));
    done(unmap(last, length));
    0
}
