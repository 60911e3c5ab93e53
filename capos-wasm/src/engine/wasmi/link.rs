//! The WASI functions as wasmi host functions, one for each line of the table.

use super::data::{HostData, host_call};
use crate::wasi::{Call, Errno, MODULE, for_each_function};
use wasmi::{Caller, Error, Linker, errors::LinkerError};

macro_rules! define_link {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $_n:ident, $_m:expr;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $_en:ident, $_em:expr; }
        absent { $($absent:ident($($aty:ident),*), $_an:ident;)* }
    ) => {
        /// Defines all of Preview 1.
        pub(super) fn link(linker: &mut Linker<HostData>) -> Result<(), LinkerError> {
            $(linker.func_wrap(
                MODULE,
                stringify!($name),
                |caller: Caller<'_, HostData>, $($arg: $ty),*| -> Result<u32, Error> {
                    host_call(caller, Call::$name { $($arg),* })
                },
            )?;)*
            linker.func_wrap(
                MODULE,
                stringify!($exit),
                |caller: Caller<'_, HostData>, $($earg: $ety),*| -> Result<(), Error> {
                    host_call(caller, Call::$exit { $($earg),* }).map(|_errno| ())
                },
            )?;
            $(linker.func_wrap(
                MODULE,
                stringify!($absent),
                |_: Caller<'_, HostData>, $(_: $aty),*| -> u32 { Errno::Nosys as u32 },
            )?;)*
            Ok(())
        }
    };
}
for_each_function!(define_link);
