//! The table of Preview 1: every function with its signature, the capability it needs, and its result without
//! that.

use super::Errno;
use crate::ValueType;

/// The module name under which guests import Preview 1.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The capability that a function uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None: the function concerns only the instance itself.
    Nothing,
    /// Timer for the monotonic clock, WallClock for the time of day.
    Clock,
    /// EntropySource.
    Entropy,
    /// The object that the descriptor refers to: a standard stream, a file or a directory.
    Descriptor,
    /// The standard stream or file that the descriptor refers to.
    Stream,
    /// The File that the descriptor refers to.
    File,
    /// The preopened Namespace that the descriptor refers to, or one opened through it.
    Directory,
    /// The descriptors and clocks in the subscriptions.
    Subscriptions,
    /// A socket.
    Socket,
}

impl Needs {
    /// The capabilities by name, as the documentation lists them.
    pub fn capabilities(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Clock => "Timer (MONOTONIC), WallClock (REALTIME)",
            Self::Entropy => "EntropySource",
            Self::Descriptor => "Console, pipe, File or Namespace",
            Self::Stream => "Console, pipe or File",
            Self::File => "File",
            Self::Directory => "Namespace",
            Self::Subscriptions => "Timer, WallClock, descriptors, as subscribed",
            Self::Socket => "a socket",
        }
    }
}

/// The reference for a function's behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The specification defines everything.
    Specification,
    /// The specification, and where it is silent, the behaviour of wasmtime.
    Wasmtime,
}

impl Basis {
    /// The name in the documentation's table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Specification => "spec",
            Self::Wasmtime => "as wasmtime",
        }
    }
}

/// One function of Preview 1.
#[derive(Debug)]
pub struct Function {
    /// Its import name.
    pub name: &'static str,
    /// Its WebAssembly parameters.
    pub params: &'static [ValueType],
    /// Its WebAssembly results: one `i32` errno, or none if it does not return.
    pub results: &'static [ValueType],
    /// The capability it uses.
    pub needs: Needs,
    /// The errno if that was not granted; `None` if no capability can be missing.
    pub missing: Option<Errno>,
    /// The reference for its edge cases.
    pub basis: Basis,
}

/// Calls `$apply!` with the whole table: each function with its parameters, the async function that serves it,
/// the capability it needs and the errno without it. `proc_exit` is separate because it returns nothing.
macro_rules! for_each_function {
    ($apply:ident) => {
        $apply! {
            done {
                args_get(argv: u32, argv_buf: u32) = strings::get::<strings::Arguments>, Nothing, None, Specification;
                args_sizes_get(count: u32, size: u32) = strings::sizes_get::<strings::Arguments>, Nothing, None, Specification;
                environ_get(environ: u32, environ_buf: u32) = strings::get::<strings::Environment>, Nothing, None, Specification;
                environ_sizes_get(count: u32, size: u32) = strings::sizes_get::<strings::Environment>, Nothing, None, Specification;
                clock_res_get(id: u32, resolution: u32) = clock::res_get, Clock, Some(Nosys), Wasmtime;
                clock_time_get(id: u32, precision: u64, time: u32) = clock::time_get, Clock, Some(Nosys), Wasmtime;
                fd_advise(fd: u32, offset: u64, length: u64, advice: u32)
                    = filestat::advise, File, Some(Badf), Wasmtime;
                fd_allocate(fd: u32, offset: u64, length: u64) = filestat::allocate, File, Some(Badf), Specification;
                fd_close(fd: u32) = fd::close, Descriptor, Some(Badf), Specification;
                fd_datasync(fd: u32) = filestat::datasync, File, Some(Badf), Wasmtime;
                fd_fdstat_get(fd: u32, stat: u32) = fd::fdstat_get, Descriptor, Some(Badf), Specification;
                fd_fdstat_set_flags(fd: u32, flags: u32) = fd::fdstat_set_flags, Stream, Some(Badf), Wasmtime;
                fd_fdstat_set_rights(fd: u32, base: u64, inheriting: u64)
                    = fd::fdstat_set_rights, Descriptor, Some(Badf), Specification;
                fd_filestat_get(fd: u32, filestat: u32) = filestat::get, Descriptor, Some(Badf), Wasmtime;
                fd_filestat_set_size(fd: u32, size: u64) = filestat::set_size, File, Some(Badf), Specification;
                fd_filestat_set_times(fd: u32, accessed: u64, modified: u64, flags: u32)
                    = filestat::set_times, Descriptor, Some(Badf), Specification;
                fd_pread(fd: u32, iovs: u32, iovs_len: u32, offset: u64, nread: u32)
                    = io::pread, File, Some(Badf), Wasmtime;
                fd_prestat_get(fd: u32, prestat: u32) = fd::prestat_get, Directory, Some(Badf), Specification;
                fd_prestat_dir_name(fd: u32, path: u32, path_len: u32)
                    = fd::prestat_dir_name, Directory, Some(Badf), Wasmtime;
                fd_pwrite(fd: u32, iovs: u32, iovs_len: u32, offset: u64, nwritten: u32)
                    = io::pwrite, File, Some(Badf), Wasmtime;
                fd_read(fd: u32, iovs: u32, iovs_len: u32, nread: u32) = io::read, Stream, Some(Badf), Specification;
                fd_readdir(fd: u32, buffer: u32, buffer_len: u32, cookie: u64, used: u32)
                    = readdir::read, Directory, Some(Badf), Wasmtime;
                fd_renumber(from: u32, to: u32) = fd::renumber, Descriptor, Some(Badf), Wasmtime;
                fd_seek(fd: u32, offset: u64, whence: u32, position: u32)
                    = seek::seek, File, Some(Badf), Wasmtime;
                fd_sync(fd: u32) = filestat::sync, File, Some(Badf), Specification;
                fd_tell(fd: u32, position: u32) = seek::tell, File, Some(Badf), Specification;
                fd_write(fd: u32, iovs: u32, iovs_len: u32, nwritten: u32)
                    = io::write, Stream, Some(Badf), Specification;
                path_create_directory(fd: u32, path: u32, path_len: u32)
                    = path::create_directory, Directory, Some(Badf), Specification;
                path_filestat_get(fd: u32, flags: u32, path: u32, path_len: u32, filestat: u32)
                    = path::filestat_get, Directory, Some(Badf), Specification;
                path_filestat_set_times(
                    fd: u32, flags: u32, path: u32, path_len: u32, accessed: u64, modified: u64, times: u32
                ) = path::filestat_set_times, Directory, Some(Badf), Specification;
                path_link(
                    fd: u32, flags: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32
                ) = path::link, Directory, Some(Badf), Wasmtime;
                path_open(
                    fd: u32, lookup: u32, path: u32, path_len: u32, open_flags: u32, base: u64, inheriting: u64,
                    flags: u32, opened: u32
                ) = open::open, Directory, Some(Badf), Wasmtime;
                path_readlink(fd: u32, path: u32, path_len: u32, buffer: u32, buffer_len: u32, used: u32)
                    = path::readlink, Directory, Some(Badf), Wasmtime;
                path_remove_directory(fd: u32, path: u32, path_len: u32)
                    = path::remove_directory, Directory, Some(Badf), Specification;
                path_rename(
                    fd: u32, path: u32, path_len: u32, new_fd: u32, new_path: u32, new_path_len: u32
                ) = path::rename, Directory, Some(Badf), Specification;
                path_symlink(target: u32, target_len: u32, fd: u32, path: u32, path_len: u32)
                    = path::symlink, Directory, Some(Badf), Wasmtime;
                path_unlink_file(fd: u32, path: u32, path_len: u32)
                    = path::unlink_file, Directory, Some(Badf), Specification;
                poll_oneoff(subscriptions: u32, events: u32, count: u32, nevents: u32)
                    = poll::oneoff, Subscriptions, Some(Nosys), Wasmtime;
                proc_raise(signal: u32) = proc::raise, Nothing, None, Specification;
                random_get(buffer: u32, length: u32) = random::get, Entropy, Some(Nosys), Specification;
                sched_yield() = sched::yield_now, Nothing, None, Specification;
                sock_accept(fd: u32, flags: u32, accepted: u32) = sock::accept, Socket, Some(Badf), Wasmtime;
                sock_recv(
                    fd: u32, iovs: u32, iovs_len: u32, flags: u32, received: u32, result_flags: u32
                ) = sock::recv, Socket, Some(Badf), Wasmtime;
                sock_send(fd: u32, iovs: u32, iovs_len: u32, flags: u32, sent: u32)
                    = sock::send, Socket, Some(Badf), Wasmtime;
                sock_shutdown(fd: u32, how: u32) = sock::shutdown, Socket, Some(Badf), Wasmtime;
            }
            exit {
                proc_exit(status: u32) = proc::exit, Nothing, None, Specification;
            }
        }
    };
}
pub(crate) use for_each_function;

macro_rules! value_type {
    (u32) => {
        ValueType::I32
    };
    (u64) => {
        ValueType::I64
    };
}

macro_rules! define_table {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $needs:ident, $missing:expr, $basis:ident;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $eneeds:ident, $emissing:expr, $ebasis:ident; }
    ) => {
        /// Every function of Preview 1.
        pub static FUNCTIONS: &[Function] = {
            use Errno::{Badf, Nosys};
            &[
                $(Function {
                    name: stringify!($name),
                    params: &[$(value_type!($ty)),*],
                    results: &[ValueType::I32],
                    needs: Needs::$needs,
                    missing: $missing,
                    basis: Basis::$basis,
                },)*
                Function {
                    name: stringify!($exit),
                    params: &[$(value_type!($ety)),*],
                    results: &[],
                    needs: Needs::$eneeds,
                    missing: $emissing,
                    basis: Basis::$ebasis,
                },
            ]
        };
    };
}
for_each_function!(define_table);

/// Finds a function of Preview 1 by its import name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
