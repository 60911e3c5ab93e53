//! The one table of Preview 1: every function, its signature, what it needs, what it does without.

use super::Errno;
use crate::ValueType;

/// The module name under which guests import Preview 1.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// Which capability stands behind a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// None: the function only concerns the instance itself.
    Nothing,
    /// Timer for the monotonic clock, WallClock for the time of day.
    Clock,
    /// EntropySource.
    Entropy,
    /// The Console behind the descriptor.
    Stream,
    /// The Consoles and clocks that the subscriptions name.
    Subscriptions,
    /// A directory or file.
    File,
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
            Self::Stream => "Console",
            Self::Subscriptions => "Timer, WallClock, Console, as subscribed",
            Self::File => "a preopened directory",
            Self::Socket => "a socket",
        }
    }
}

/// How far a function is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As specified, for everything that can be granted today.
    Done,
    /// Present so that programs link, and always `ENOSYS`.
    Absent,
}

/// One function of Preview 1.
#[derive(Debug)]
pub struct Function {
    /// Its import name.
    pub name: &'static str,
    /// Its WebAssembly parameters.
    pub params: &'static [ValueType],
    /// Its WebAssembly results: one `i32` errno, or none where it does not return.
    pub results: &'static [ValueType],
    /// The capability it uses.
    pub needs: Needs,
    /// What it returns when that was not granted; `None` where nothing can be missing.
    pub missing: Option<Errno>,
    /// How far it is.
    pub state: State,
}

/// Calls `$apply!` with the whole table. `done` functions name the async function that serves them;
/// `absent` ones have none. `proc_exit` stands apart because it returns nothing.
macro_rules! for_each_function {
    ($apply:ident) => {
        $apply! {
            done {
                args_get(argv: u32, argv_buf: u32) = args::get, Nothing, None;
                args_sizes_get(count: u32, size: u32) = args::sizes_get, Nothing, None;
                environ_get(environ: u32, environ_buf: u32) = environ::get, Nothing, None;
                environ_sizes_get(count: u32, size: u32) = environ::sizes_get, Nothing, None;
                clock_res_get(id: u32, resolution: u32) = clock::res_get, Clock, Some(Nosys);
                clock_time_get(id: u32, precision: u64, time: u32) = clock::time_get, Clock, Some(Nosys);
                fd_close(fd: u32) = fd::close, Stream, Some(Badf);
                fd_fdstat_get(fd: u32, stat: u32) = fd::fdstat_get, Stream, Some(Badf);
                fd_fdstat_set_flags(fd: u32, flags: u32) = fd::fdstat_set_flags, Stream, Some(Badf);
                fd_prestat_get(fd: u32, prestat: u32) = fd::prestat_get, File, Some(Badf);
                fd_prestat_dir_name(fd: u32, path: u32, path_len: u32)
                    = fd::prestat_dir_name, File, Some(Badf);
                fd_read(fd: u32, iovs: u32, iovs_len: u32, nread: u32) = fd::read, Stream, Some(Badf);
                fd_seek(fd: u32, offset: u64, whence: u32, position: u32)
                    = fd::seek, Stream, Some(Badf);
                fd_write(fd: u32, iovs: u32, iovs_len: u32, nwritten: u32)
                    = fd::write, Stream, Some(Badf);
                poll_oneoff(subscriptions: u32, events: u32, count: u32, nevents: u32)
                    = poll::oneoff, Subscriptions, Some(Nosys);
                random_get(buffer: u32, length: u32) = random::get, Entropy, Some(Nosys);
                sched_yield() = sched::yield_now, Nothing, None;
            }
            exit {
                proc_exit(status: u32) = proc::exit, Nothing, None;
            }
            absent {
                fd_advise(u32, u64, u64, u32), File;
                fd_allocate(u32, u64, u64), File;
                fd_datasync(u32), File;
                fd_fdstat_set_rights(u32, u64, u64), File;
                fd_filestat_get(u32, u32), File;
                fd_filestat_set_size(u32, u64), File;
                fd_filestat_set_times(u32, u64, u64, u32), File;
                fd_pread(u32, u32, u32, u64, u32), File;
                fd_pwrite(u32, u32, u32, u64, u32), File;
                fd_readdir(u32, u32, u32, u64, u32), File;
                fd_renumber(u32, u32), File;
                fd_sync(u32), File;
                fd_tell(u32, u32), File;
                path_create_directory(u32, u32, u32), File;
                path_filestat_get(u32, u32, u32, u32, u32), File;
                path_filestat_set_times(u32, u32, u32, u32, u64, u64, u32), File;
                path_link(u32, u32, u32, u32, u32, u32, u32), File;
                path_open(u32, u32, u32, u32, u32, u64, u64, u32, u32), File;
                path_readlink(u32, u32, u32, u32, u32, u32), File;
                path_remove_directory(u32, u32, u32), File;
                path_rename(u32, u32, u32, u32, u32, u32), File;
                path_symlink(u32, u32, u32, u32, u32), File;
                path_unlink_file(u32, u32, u32), File;
                proc_raise(u32), Nothing;
                sock_accept(u32, u32, u32), Socket;
                sock_recv(u32, u32, u32, u32, u32, u32), Socket;
                sock_send(u32, u32, u32, u32, u32), Socket;
                sock_shutdown(u32, u32), Socket;
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
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $needs:ident, $missing:expr;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $eneeds:ident, $emissing:expr; }
        absent { $($absent:ident($($aty:ident),*), $aneeds:ident;)* }
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
                    state: State::Done,
                },)*
                Function {
                    name: stringify!($exit),
                    params: &[$(value_type!($ety)),*],
                    results: &[],
                    needs: Needs::$eneeds,
                    missing: $emissing,
                    state: State::Done,
                },
                $(Function {
                    name: stringify!($absent),
                    params: &[$(value_type!($aty)),*],
                    results: &[ValueType::I32],
                    needs: Needs::$aneeds,
                    missing: Some(Nosys),
                    state: State::Absent,
                },)*
            ]
        };
    };
}
for_each_function!(define_table);

/// Finds a function of Preview 1 by its import name.
pub fn function(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}
