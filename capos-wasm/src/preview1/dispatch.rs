//! Dispatches decoded calls to the functions that serve them.

use super::for_each_function;
use super::{
    Context, Errno, GuestMemory, Stop, clock, fd, filestat, io, open, path, poll, proc, random, readdir,
    sched, seek, sock, strings,
};
use crate::account::Missing;

/// Functions that programs call when they report an error and exit. The environment determines how a panic is
/// shown.
const FUNCTIONS_OF_AN_END: [&str; 12] = [
    "fd_write",
    "fd_close",
    "fd_fdstat_get",
    "fd_filestat_get",
    "fd_seek",
    "fd_tell",
    "fd_sync",
    "fd_datasync",
    "environ_sizes_get",
    "environ_get",
    "sched_yield",
    "proc_exit",
];

impl Context {
    /// Records the outcome of a call. What the server of a directory or file refuses is not allowed by its grant:
    /// the program receives `EPERM`, which its language's libraries know.
    fn settle(&self, result: Result<(), Stop>) -> Result<(), Stop> {
        let result = match result {
            Err(Stop::Errno(Errno::Notcapable)) => {
                self.refuse(Missing::Right);
                Err(Stop::Errno(Errno::Perm))
            }
            Err(Stop::Errno(Errno::Dquot)) => {
                self.refuse(Missing::Quota);
                Err(Stop::Errno(Errno::Dquot))
            }
            // Descriptors of directories stem from one that was preopened.
            Err(Stop::Errno(Errno::Badf))
                if self.import.starts_with("path_") && !self.descriptors.has_preopens() =>
            {
                self.refuse(Missing::Directory);
                Err(Stop::Errno(Errno::Badf))
            }
            other => other,
        };
        if self.control.lacks_something() {
            match result {
                Ok(()) => {
                    let reports = FUNCTIONS_OF_AN_END.contains(&self.import);
                    self.control.call_succeeded(self.import, reports);
                }
                Err(_) => self.control.call_failed(),
            }
        }
        result
    }
}

macro_rules! define_calls {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $serve:path, $_n:ident, $_m:expr, $_b:ident;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $eserve:path, $_en:ident, $_em:expr, $_eb:ident; }
    ) => {
        /// A call by a guest, with the guest's arguments.
        #[expect(non_camel_case_types, reason = "variants carry the names of the functions")]
        #[derive(Debug)]
        pub(crate) enum Call {
            $($name { $($arg: $ty),* },)*
            $exit { $($earg: $ety),* },
        }

        /// Serves one call.
        pub(super) async fn dispatch(
            context: &mut Context,
            memory: &GuestMemory,
            call: Call,
        ) -> Result<(), Stop> {
            let result = match call {
                $(Call::$name { $($arg),* } => {
                    context.import = stringify!($name);
                    $serve(context, memory, $($arg),*).await
                })*
                Call::$exit { $($earg),* } => $eserve(context, memory, $($earg),*).await,
            };
            context.settle(result)
        }
    };
}
for_each_function!(define_calls);
