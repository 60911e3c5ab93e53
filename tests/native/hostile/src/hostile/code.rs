//! The rules for a process that may map code: only a sealed object is executable, and a sealed object is writable
//! nowhere.

use crate::calls::{
    MapCall, UnmapCall, copy, create_code, create_object, done, map_object, map_object_at, must, protect,
    reserve, seal, unmap,
};
use crate::handles::release;
use crate::raw::{call_code, exit, grant, peek, poke, run, syscall};
use crate::threads::{Ring, start};
use capos_abi::{Opcode, Rights, SubmissionEntry, Syscall};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

const PAGE: u64 = 4096;
/// The object that the parent has mapped writable.
const PARENTS_OBJECT: u32 = 2;
const CODE_FACTORY: u32 = 3;

/// A new object that may become code.
fn object() -> u64 {
    must(create_code(grant(CODE_FACTORY), PAGE))
}

fn sealed_object() -> u64 {
    let object = object();
    done(seal(object));
    object
}

/// Writes a function that returns `number`.
fn write_function(at: u64, number: u8) {
    // mov eax, number; ret
    for (offset, byte) in (0..).zip([0xb8, number, 0, 0, 0, 0xc3]) {
        poke(at + offset, byte);
    }
}

pub(crate) fn executable_unsealed() -> i32 {
    map_object(object(), PAGE, "rx").0
}

pub(crate) fn protect_executable_unsealed() -> i32 {
    let mapped = must(map_object(object(), PAGE, "r"));
    protect(mapped, PAGE, "rx")
}

/// The object is sealed, but its creator may not create code.
pub(crate) fn executable_data() -> i32 {
    let object = must(create_object(PAGE));
    done(seal(object));
    map_object(object, PAGE, "rx").0
}

/// The process may create code but not run it.
pub(crate) fn code_without_right() -> i32 {
    map_object(sealed_object(), PAGE, "rx").0
}

pub(crate) fn protect_code_without_right() -> i32 {
    let mapped = must(map_object(sealed_object(), PAGE, "r"));
    protect(mapped, PAGE, "rx")
}

pub(crate) fn code_past_the_budget() -> i32 {
    create_code(grant(CODE_FACTORY), 1 << 32).0
}

pub(crate) fn code_of_no_length() -> i32 {
    create_code(grant(CODE_FACTORY), 0).0
}

pub(crate) fn code_of_half_a_page() -> i32 {
    create_code(grant(CODE_FACTORY), PAGE / 2).0
}

pub(crate) fn code_factory_without_write() -> i32 {
    create_code(copy(grant(CODE_FACTORY), Rights::all() - Rights::WRITE), PAGE).0
}

pub(crate) fn executable_anonymous() -> i32 {
    reserve(0, PAGE, "rx").0
}

pub(crate) fn protect_executable_anonymous() -> i32 {
    protect(must(reserve(0, PAGE, "rw")), PAGE, "rx")
}

/// The object belongs to another process, which has it mapped writable.
pub(crate) fn map_code_of_parent() -> i32 {
    map_object(grant(PARENTS_OBJECT), PAGE, "rx").0
}

pub(crate) fn seal_beside_writable() -> i32 {
    let object = object();
    must(map_object(object, PAGE, "w"));
    seal(object)
}

/// The capability through which it was mapped is gone; the mapping is not.
pub(crate) fn seal_beside_mapping_of_released() -> i32 {
    let object = object();
    let other = copy(object, Rights::all());
    must(map_object(other, PAGE, "rw"));
    done(release(other));
    seal(object)
}

pub(crate) fn seal_object_of_parent() -> i32 {
    seal(grant(PARENTS_OBJECT))
}

pub(crate) fn seal_without_write() -> i32 {
    seal(copy(object(), Rights::all() - Rights::WRITE))
}

pub(crate) fn seal_of_revoked() -> i32 {
    let object = object();
    let other = copy(object, Rights::all());
    done(run(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: object, ..Default::default() }).status);
    seal(other)
}

pub(crate) fn writable_sealed() -> i32 {
    map_object(sealed_object(), PAGE, "rw").0
}

pub(crate) fn writable_sealed_by_older_copy() -> i32 {
    let object = object();
    let older = copy(object, Rights::all());
    done(seal(object));
    // Sealing again changes nothing.
    done(seal(older));
    map_object(older, PAGE, "w").0
}

pub(crate) fn protect_writable_sealed() -> i32 {
    let object = object();
    let mapped = must(map_object(object, PAGE, ""));
    done(seal(object));
    protect(mapped, PAGE, "w")
}

/// One of two neighbouring pages is of a sealed object: neither becomes writable.
pub(crate) fn protect_partly_sealed() -> i32 {
    let range = must(reserve(0, 2 * PAGE, "r"));
    done(unmap(range + PAGE, PAGE));
    must(map_object_at(sealed_object(), range + PAGE, PAGE, "r"));
    protect(range, 2 * PAGE, "rw")
}

/// Works like a compiler: write, unmap, seal, run.
pub(crate) fn code_sealed_then_run() -> i32 {
    let object = object();
    let written = must(map_object(object, PAGE, "rw"));
    write_function(written, 42);
    done(unmap(written, PAGE));
    done(seal(object));
    let code = must(map_object(object, PAGE, "rx"));
    let ran = call_code(code);
    let read = protect(code, PAGE, "r");
    let opened = protect(code, PAGE, "rx");
    if (ran, read, opened, call_code(code)) == (42, 0, 0, 42) { 0 } else { 1 }
}

/// The same through one mapping.
pub(crate) fn code_protected_sealed_then_run() -> i32 {
    let object = object();
    let mapped = must(map_object(object, PAGE, "rw"));
    write_function(mapped, 42);
    done(protect(mapped, PAGE, "r"));
    done(seal(object));
    done(protect(mapped, PAGE, "rx"));
    if call_code(mapped) == 42 { 0 } else { 1 }
}

static IS_SEALED: AtomicBool = AtomicBool::new(false);
/// Whether the other thread has the object mapped writable.
static IS_MAPPED: AtomicBool = AtomicBool::new(false);
/// The number of times that it did, and wrote to it.
static WRITTEN: AtomicU32 = AtomicU32::new(0);
/// The number of its mappings that were refused although it knew that the object is sealed.
static REFUSED: AtomicU32 = AtomicU32::new(0);
/// Times that each happens at least.
const TIMES: u32 = 50;

/// Maps `object` writable, writes to it and unmaps it, for ever, and gives up its turn in between.
extern "sysv64" fn write_for_ever(ring: u64, object: u64) -> ! {
    let ring = Ring(ring);
    let call = |entry| {
        ring.push(entry);
        Ring::enter(1, 1);
        ring.pop().map_or(99, |completion| completion.status)
    };
    loop {
        let was_sealed = IS_SEALED.load(SeqCst);
        let mut map = MapCall::new(object, 0, PAGE, "rw");
        if call(map.entry()) == 0 {
            if was_sealed {
                exit(1);
            }
            IS_MAPPED.store(true, SeqCst);
            write_function(map.address(), 200);
            give_way();
            write_function(map.address(), (WRITTEN.fetch_add(1, SeqCst) % 100) as u8);
            IS_MAPPED.store(false, SeqCst);
            if call(UnmapCall::new(map.address(), PAGE).entry()) != 0 {
                exit(2);
            }
        } else if was_sealed {
            REFUSED.fetch_add(1, SeqCst);
        }
        give_way();
    }
}

fn give_way() {
    syscall(Syscall::Yield as u64, 0, 0, 0);
}

/// Seals the object between two writes of another thread, then finds it unchanged for ever.
pub(crate) fn seal_while_a_thread_writes() -> i32 {
    let object = object();
    if let Err(status) = start(write_for_ever, object) {
        exit(100 + status);
    }
    // At first only while the other thread has it mapped, when it must be refused; then at any time.
    let mut refused = 0;
    while refused < TIMES {
        if IS_MAPPED.load(SeqCst) {
            if seal(object) == 0 {
                return 4;
            }
            refused += 1;
        }
        give_way();
    }
    while seal(object) != 0 {
        give_way();
    }
    IS_SEALED.store(true, SeqCst);
    let code = must(map_object(object, PAGE, "rx"));
    let found: Vec<u8> = (0..6).map(|offset| peek(code + offset)).collect();
    let returned = call_code(code);
    while REFUSED.load(SeqCst) < TIMES {
        give_way();
    }
    let again: Vec<u8> = (0..6).map(|offset| peek(code + offset)).collect();
    if found == again && returned == call_code(code) { 0 } else { 3 }
}
