//! The rules for a process that may generate code: an object is mapped writable or executable, never both.

use crate::calls::{create_object, map_object, protect, reserve, unmap};
use crate::raw::{call_code, exit, grant, poke};

const PAGE: u64 = 4096;
/// The object that the parent has mapped writable.
const PARENTS_OBJECT: u32 = 2;

fn object() -> u64 {
    let (status, object) = create_object(PAGE);
    if status == 0 { object } else { exit(100 + status) }
}

fn must<T>((status, value): (i32, T)) -> T {
    if status == 0 { value } else { exit(100 + status) }
}

/// Writes a function that returns `number`.
fn write_function(at: u64, number: u8) {
    // mov eax, number; ret
    for (offset, byte) in (0..).zip([0xb8, number, 0, 0, 0, 0xc3]) {
        poke(at + offset, byte);
    }
}

pub(crate) fn executable_beside_writable() -> i32 {
    let object = object();
    must(map_object(object, PAGE, "rw"));
    map_object(object, PAGE, "rx").0
}

pub(crate) fn writable_beside_executable() -> i32 {
    let object = object();
    must(map_object(object, PAGE, "rx"));
    map_object(object, PAGE, "rw").0
}

pub(crate) fn protect_executable_beside_writable() -> i32 {
    let object = object();
    must(map_object(object, PAGE, "rw"));
    let second = must(map_object(object, PAGE, "r"));
    protect(second, PAGE, "rx")
}

pub(crate) fn protect_writable_beside_executable() -> i32 {
    let object = object();
    must(map_object(object, PAGE, "rx"));
    let second = must(map_object(object, PAGE, ""));
    protect(second, PAGE, "w")
}

/// The writable mapping belongs to another process.
pub(crate) fn map_code_of_parent() -> i32 {
    map_object(grant(PARENTS_OBJECT), PAGE, "rx").0
}

/// Works like a compiler: write, unmap, run; and again with other code.
pub(crate) fn code_written_then_run() -> i32 {
    let object = object();
    let first = must(map_object(object, PAGE, "rw"));
    write_function(first, 42);
    let unmapped = unmap(first, PAGE);
    let second = must(map_object(object, PAGE, "rx"));
    let ran = call_code(second);
    let closed = protect(second, PAGE, "rw");
    write_function(second, 43);
    let opened = protect(second, PAGE, "rx");
    let ran_again = call_code(second);
    if (unmapped, ran, closed, opened, ran_again) == (0, 42, 0, 0, 43) { 0 } else { 1 }
}

/// The same in anonymous memory.
pub(crate) fn private_code_written_then_run() -> i32 {
    let address = must(reserve(0, PAGE, "rw"));
    write_function(address, 42);
    let opened = protect(address, PAGE, "rx");
    let ran = call_code(address);
    let closed = protect(address, PAGE, "rw");
    write_function(address, 43);
    let reopened = protect(address, PAGE, "rx");
    if (opened, ran, closed, reopened, call_code(address)) == (0, 42, 0, 0, 43) { 0 } else { 1 }
}
