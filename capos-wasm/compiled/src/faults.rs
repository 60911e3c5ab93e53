//! The process's fault handler: faults of guests become traps, and alarms interrupt guests.
// Unsafe here: assembly, and a handler that is called with raw pointers.
#![expect(unsafe_code, reason = "a fault handler")]

use crate::interruption::{self, SKIPPED_BYTES};
use capos_rt::abi::{ALARM_VECTOR, FaultFrame, Syscall};
use capos_rt::{Access, abi::PAGE_SIZE, address_space, thread_spawner};
use core::arch::{global_asm, x86_64::__cpuid_count};
use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

/// The vector registers' area, and the functions of the handler with everything they call.
const STACK_PAGES: usize = 16;
/// Page faults, the only ones with an address.
const PAGE_FAULT: u64 = 14;
/// The area of FXSAVE.
const FXSAVE_BYTES: usize = 512;
/// The leaf of XSAVE's sizes, and the bit that tells that the kernel has turned it on.
const XSAVE_LEAF: u32 = 0xd;
const OSXSAVE: u32 = 1 << 27;

static VECTOR_BYTES: AtomicUsize = AtomicUsize::new(FXSAVE_BYTES);
/// The lowest address of the stack on which faults are handled.
static FAULT_STACK: AtomicUsize = AtomicUsize::new(0);
static HAS_XSAVE: AtomicBool = AtomicBool::new(false);

/// wasmtime's part of the handler. It does not return if the fault is a guest's trap.
type TrapHandler = extern "C" fn(ip: usize, fp: usize, has_address: bool, address: usize);
static TRAP_HANDLER: OnceLock<TrapHandler> = OnceLock::new();

global_asm!(
    include_str!("faults.s"),
    vector_bytes = sym VECTOR_BYTES,
    has_xsave = sym HAS_XSAVE,
    handle = sym handle,
    suspend = sym interruption::suspend,
    fault_return = const Syscall::FaultReturn as u32,
    skipped = const SKIPPED_BYTES,
);

unsafe extern "C" {
    safe fn capos_fault_entry();
}

/// Sets the handler for this process, and a stack for the faults of this thread: a guest's own may be exhausted.
pub(crate) async fn install() -> capnp::Result<()> {
    let failed = |error: capos_rt::abi::ErrorCode| capnp::Error::failed(error.message().to_owned());
    find_vector_bytes();
    let pages = PAGE_SIZE as usize;
    let start = address_space::reserve((STACK_PAGES + 1) * pages, Access::ReadWrite).map_err(failed)?;
    // SAFETY: nothing uses the pages that have just been reserved.
    unsafe { address_space::protect(start, pages, Access::None) }.map_err(failed)?;
    FAULT_STACK.store(start + pages, Relaxed);
    let spawner = thread_spawner();
    let mut stack = spawner.set_fault_stack_request();
    stack.get().set_stack((start + pages) as u64);
    stack.get().set_length((STACK_PAGES * pages) as u64);
    stack.send().promise.await?;
    let mut handler = spawner.set_fault_handler_request();
    handler.get().set_entry((capos_fault_entry as *const ()).addr() as u64);
    handler.send().promise.await?;
    Ok(())
}

fn find_vector_bytes() {
    let has_xsave = __cpuid_count(1, 0).ecx & OSXSAVE != 0;
    if has_xsave {
        // The bytes for what the kernel has turned on.
        let bytes = __cpuid_count(XSAVE_LEAF, 0).ebx as usize;
        VECTOR_BYTES.store(bytes.max(FXSAVE_BYTES + 64), Relaxed);
        HAS_XSAVE.store(true, Relaxed);
    }
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_init_traps(handler: TrapHandler) -> i32 {
    // The same one each time.
    TRAP_HANDLER.get_or_init(|| handler);
    0
}

/// Handles a fault or an alarm. Returns if the thread is to continue at the machine state.
extern "C" fn handle(frame: &mut FaultFrame) {
    if frame.vector == ALARM_VECTOR {
        return interruption::alarm(frame);
    }
    if let Some(handler) = TRAP_HANDLER.get() {
        handler(frame.rip as usize, frame.rbp as usize, frame.vector == PAGE_FAULT, frame.address as usize);
    }
    // Not a guest's. The fault occurs once more, with a stack that has no room for this handler, and ends the process with
    // its own cause.
    frame.rsp = (FAULT_STACK.load(Relaxed) + size_of::<u64>()) as u64;
}
