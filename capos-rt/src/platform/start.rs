//! Start-up, from the first instruction to `main`.

use super::tls;
use crate::arch::{self, Port};
use crate::bootstrap;
use crate::local::{self, Local};
use crate::ring::Ring;
use capos_abi::BootstrapHeader;
use core::arch::naked_asm;
use core::ptr::NonNull;
use std::ffi::{CString, c_char, c_int};

unsafe extern "C" {
    /// Part of `std`: reads the environment, calls `main`, runs destructors, exits.
    fn runtime_entry(argc: c_int, argv: *const *const c_char, env: *const *const c_char) -> !;
    /// The program's `main`, with the name from the target specification.
    fn capos_program_main(argc: isize, argv: *const *const c_char) -> c_int;
}

/// The exit status of a process on a kernel with another version of the ABI.
const WRONG_ABI: i32 = 127;

/// The first instruction: RDI is the ring, RSI the bootstrap header, the stack is empty. Allocates the
/// thread-local block on the stack.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "mov r12, rdi",
        "mov r13, rsi",
        "and rsp, -16",
        "call {size}",
        "sub rsp, rax",
        "and rsp, -64",
        "mov rdi, rsp",
        "call {enter}",
        "mov rdi, r12",
        "mov rsi, r13",
        "call {start}",
        "ud2",
        size = sym thread_local_bytes,
        enter = sym enter_thread_local,
        start = sym start,
    )
}

extern "C" fn thread_local_bytes() -> usize {
    tls::template().reserve_bytes()
}

/// A separate function, because the compiler assumes that the thread pointer is constant within one.
unsafe extern "C" fn enter_thread_local(block: *mut u8) {
    // SAFETY: `_start` allocated the block on the stack, which the thread never unwinds.
    unsafe { arch::set_thread_pointer(tls::template().lay_out(block)) };
}

unsafe extern "C" fn start(ring: NonNull<u8>, header: *const BootstrapHeader) -> ! {
    // SAFETY: `ring` and `header` are the values that the kernel passed.
    unsafe {
        if !bootstrap::install(header) {
            arch::process_exit(WRONG_ABI);
        }
        let local = Local::new(Ring::new(ring, Port));
        // This function never returns, so its frame lives as long as the thread.
        let state: *const Local = &raw const local;
        local::enter(&*state);
        let (argc, argv, env) = arguments();
        runtime_entry(argc, argv, env)
    }
}

/// Called by `runtime_entry` once the environment is read. `std` keeps the environment in a hash map, and draws
/// its keys whether or not the process holds an entropy source; they were fixed ones (see `sys_read_entropy`).
/// Restoring the thread-local block discards them, so no map of the program uses them.
#[unsafe(no_mangle)]
unsafe extern "C" fn main(argc: isize, argv: *const *const c_char) -> c_int {
    let local = local::current();
    super::entropy::started();
    super::heap::flush();
    let thread_pointer: u64;
    // SAFETY: the word at FS:0 is the thread pointer itself; no code of the program has run on this thread, so
    // only the runtime, which is re-entered below, refers to its thread-local data.
    unsafe {
        core::arch::asm!("mov {}, fs:0", out(reg) thread_pointer, options(nostack, readonly, preserves_flags));
        tls::template().restore(thread_pointer);
        local::enter(local);
        capos_program_main(argc, argv)
    }
}

/// The argument vector and the environment in C's form.
fn arguments() -> (c_int, *const *const c_char, *const *const c_char) {
    let parameters = bootstrap::get().and_then(|bootstrap| {
        bootstrap.launch(|launch| {
            let mut arguments = Vec::new();
            for argument in launch.get_arguments()? {
                arguments.push(c_string(argument?.as_bytes()));
            }
            let mut environment = Vec::new();
            for variable in launch.get_environment()? {
                let mut text = variable.get_name()?.as_bytes().to_vec();
                text.push(b'=');
                text.extend_from_slice(variable.get_value()?.as_bytes());
                environment.push(c_string(&text));
            }
            Ok((arguments, environment))
        })
    });
    let (arguments, environment) = parameters.unwrap_or_default();
    (arguments.len() as c_int, vector(arguments), vector(environment))
}

/// A C string that lives as long as the process, truncated at the first NUL.
fn c_string(bytes: &[u8]) -> *const c_char {
    let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    CString::new(text).unwrap_or_default().into_raw()
}

fn vector(mut strings: Vec<*const c_char>) -> *const *const c_char {
    strings.push(core::ptr::null());
    strings.leak().as_ptr()
}
