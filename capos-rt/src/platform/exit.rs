use crate::arch;

/// The exit status of a program that panicked or aborted: 128 + SIGABRT, as in shells.
const ABORTED: i32 = 134;

#[unsafe(no_mangle)]
extern "C" fn sys_exit(status: i32) -> ! {
    arch::process_exit(status)
}

#[unsafe(no_mangle)]
extern "C" fn sys_abort() -> ! {
    arch::process_exit(ABORTED)
}
