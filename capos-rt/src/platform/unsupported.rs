//! Functions whose service does not exist yet. `std` reports their errors.

use super::errno::fail;
use hermit_abi::errno::ENOSYS;

macro_rules! unsupported {
    ($($name:ident($($argument:ty),*) -> $result:ty;)*) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $argument),*) -> $result {
                fail(ENOSYS) as $result
            }
        )*
    };
}

unsupported! {
    // Files
    sys_open(usize, i32, i32) -> i32;
    sys_unlink(usize) -> i32;
    sys_rmdir(usize) -> i32;
    sys_mkdir(usize, u32) -> i32;
    sys_stat(usize, usize) -> i32;
    sys_lstat(usize, usize) -> i32;
    sys_fstat(i32, usize) -> i32;
    sys_getdents64(i32, usize, usize) -> i64;
    sys_lseek(i32, isize, i32) -> isize;
    sys_dup(i32) -> i32;
    sys_fcntl(i32, i32, i32) -> i32;
    sys_ioctl(i32, i32, usize) -> i32;
    sys_poll(usize, usize, i32) -> i32;
    sys_eventfd(u64, i16) -> i32;
    // Sockets
    sys_socket(i32, i32, i32) -> i32;
    sys_accept(i32, usize, usize) -> i32;
    sys_bind(i32, usize, u32) -> i32;
    sys_connect(i32, usize, u32) -> i32;
    sys_listen(i32, i32) -> i32;
    sys_shutdown(i32, i32) -> i32;
    sys_send(i32, usize, usize, i32) -> isize;
    sys_sendto(i32, usize, usize, i32, usize, u32) -> isize;
    sys_recv(i32, usize, usize, i32) -> isize;
    sys_recvfrom(i32, usize, usize, i32, usize, usize) -> isize;
    sys_getpeername(i32, usize, usize) -> i32;
    sys_getsockname(i32, usize, usize) -> i32;
    sys_getsockopt(i32, i32, i32, usize, usize) -> i32;
    sys_setsockopt(i32, i32, i32, usize, u32) -> i32;
}

/// Standard streams stay open; there is nothing else to close.
#[unsafe(no_mangle)]
extern "C" fn sys_close(_descriptor: i32) -> i32 {
    0
}

/// `EAI_FAIL`: names cannot be resolved.
#[unsafe(no_mangle)]
extern "C" fn sys_getaddrinfo(_node: usize, _service: usize, _hints: usize, _result: usize) -> i32 {
    hermit_abi::EAI_FAIL
}

#[unsafe(no_mangle)]
extern "C" fn sys_freeaddrinfo(_list: usize) {}

/// Processes have no ids that they could see.
#[unsafe(no_mangle)]
extern "C" fn sys_getpid() -> i32 {
    0
}
