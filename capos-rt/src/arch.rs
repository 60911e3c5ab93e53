//! Kernel entry. On capOS these are system calls; on other systems, for tests of the runtime, they call a
//! model of the kernel.

#[cfg(target_os = "hermit")]
mod syscall;
#[cfg(target_os = "hermit")]
pub use syscall::{
    Port, cap_enter, futex_wait, futex_wake, process_exit, raw_syscall, thread_exit, yield_now,
};
#[cfg(target_os = "hermit")]
pub(crate) use syscall::{read_time_stamp, set_alarm, set_thread_pointer};

#[cfg(not(target_os = "hermit"))]
mod model;
#[cfg(not(target_os = "hermit"))]
pub use model::{KernelModel, Port, cap_enter};
