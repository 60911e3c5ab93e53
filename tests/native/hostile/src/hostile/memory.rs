//! Address space requests that must be refused, and exhausting every budget.

use crate::calls::{create_object, invoke, protect, reserve};
use crate::raw::{bootstrap, exit, grant, jump, poke, push, run, syscall};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{Opcode, RING_AREA, Rights, SubmissionEntry, Syscall, USER_END};
use capos_schema::{endpoint_capnp::endpoint_factory, process_capnp::thread_spawner};

const PAGE: u64 = 4096;

pub(crate) fn writable_and_executable() -> i32 {
    reserve(0, PAGE, "rwx").0
}

pub(crate) fn executable_without_right() -> i32 {
    reserve(0, PAGE, "rx").0
}

pub(crate) fn protect_executable_without_right() -> i32 {
    let (status, address) = reserve(0, PAGE, "rw");
    if status == 0 { protect(address, PAGE, "rx") } else { 100 + status }
}

pub(crate) fn reserve_in_kernel() -> i32 {
    reserve(0xffff_ffff_8000_0000, PAGE, "rw").0
}

pub(crate) fn reserve_past_user_end() -> i32 {
    reserve(USER_END - PAGE, 2 * PAGE, "rw").0
}

pub(crate) fn reserve_wraps_around() -> i32 {
    reserve(0x1000_0000, u64::MAX - 0x1000_0000 + 1, "rw").0
}

pub(crate) fn reserve_unaligned() -> i32 {
    reserve(0x1000_0001, PAGE, "rw").0
}

pub(crate) fn reserve_nothing() -> i32 {
    reserve(0, 0, "rw").0
}

pub(crate) fn reserve_null_page() -> i32 {
    // Address 0 means "anywhere", so the lowest page that can be requested is the next one.
    reserve(PAGE, PAGE, "rw").0
}

pub(crate) fn protect_of_nothing() -> i32 {
    protect(0x3000_0000_0000, PAGE, "rw")
}

/// The ring is also used by the kernel.
pub(crate) fn protect_own_ring() -> i32 {
    protect(RING_AREA, PAGE, "r")
}

/// Four gigabytes cost nothing until they are touched, and a touched guard is a fault.
pub(crate) fn guard_page() -> i32 {
    let (status, address) = reserve(0, 4 << 30, "");
    if status != 0 {
        return 100 + status;
    }
    poke(address + (2 << 30), 1);
    0
}

pub(crate) fn execute_reserved() -> i32 {
    let (status, address) = reserve(0, PAGE, "rw");
    if status != 0 {
        return 100 + status;
    }
    poke(address, 0xc3);
    jump(address)
}

pub(crate) fn touch_past_the_budget() -> i32 {
    let (status, address) = reserve(0, 4 << 30, "rw");
    if status != 0 {
        return 100 + status;
    }
    for page in 0..(4_u64 << 30) / PAGE {
        poke(address + page * PAGE, 1);
    }
    0
}

pub(crate) fn object_past_the_budget() -> i32 {
    create_object(1 << 40).0
}

pub(crate) fn objects_until_refused() -> i32 {
    until_refused(1_000_000, || create_object(PAGE).0)
}

pub(crate) fn slots_until_refused() -> i32 {
    until_refused(1_000_000, || {
        let rights = Rights::all().bits();
        run(SubmissionEntry { opcode: Opcode::Derive as u8, cap: grant(0), rights, ..Default::default() })
            .status
    })
}

pub(crate) fn endpoints_until_refused() -> i32 {
    let mut message = Builder::new_default();
    message.init_root::<endpoint_factory::create_params::Builder<'_>>();
    until_refused(1_000_000, || {
        let mut results = [0_u64; 64];
        let factory = bootstrap().endpoint_factory;
        invoke(factory, endpoint_factory::Client::TYPE_ID, 0, &message, &mut results).0.status
    })
}

/// Alternating protections keep the ranges from being merged.
pub(crate) fn ranges_until_refused() -> i32 {
    let mut write = false;
    until_refused(1_000_000, || {
        write = !write;
        reserve(0, PAGE, if write { "rw" } else { "r" }).0
    })
}

pub(crate) fn threads_until_refused() -> i32 {
    extern "C" fn spin() -> ! {
        loop {
            syscall(Syscall::Yield as u64, 0, 0, 0);
        }
    }
    let stacks = vec![0_u8; 64 << 10].leak();
    let top = stacks.as_ptr() as u64 + (64 << 10) - 64;
    until_refused(10_000, || {
        let mut message = Builder::new_default();
        {
            let mut root = message.init_root::<thread_spawner::spawn_params::Builder<'_>>();
            root.set_entry(spin as *const () as u64);
            root.set_stack(top & !15);
        }
        let mut results = [0_u64; 64];
        let spawner = bootstrap().thread_spawner;
        invoke(spawner, thread_spawner::Client::TYPE_ID, 0, &message, &mut results).0.status
    })
}

/// Calls that never return accumulate until the kernel refuses more; the process can still end.
pub(crate) fn calls_until_refused() -> i32 {
    let read = crate::handles::call(
        grant(0),
        <capos_schema::console_capnp::console::Client as HasTypeId>::TYPE_ID,
        2,
    );
    let header = crate::raw::ring();
    let mut submitted = 0_u32;
    loop {
        let before = header.submission_head.load(core::sync::atomic::Ordering::Acquire);
        push(SubmissionEntry { user_data: u64::from(submitted), ..read });
        if crate::raw::cap_enter(1, 0) < 0 {
            return 1;
        }
        if header.submission_head.load(core::sync::atomic::Ordering::Acquire) == before {
            return 0;
        }
        submitted += 1;
        if submitted > 10_000 {
            return 2;
        }
    }
}

/// The first error of `attempt`, or 0 if it never failed.
fn until_refused(attempts: u32, mut attempt: impl FnMut() -> i32) -> i32 {
    for _ in 0..attempts {
        let status = attempt();
        if status != 0 {
            exit(status);
        }
    }
    0
}
