//! The WASI functions as wasmi host functions, one for each line of the table.

use super::{
    data::{HostData, host_call},
    module::check_import,
};
use crate::wasi::{Call, MODULE, for_each_function};
use wasmi::{Caller, Error, Linker, Module, errors::LinkerError};

/// Checks the module's imports and defines those functions that it names.
pub(super) fn link(linker: &mut Linker<HostData>, module: &Module) -> Result<(), String> {
    // A module may import a function several times; it is defined once.
    linker.allow_shadowing(true);
    for import in module.imports() {
        check_import(&import)?;
        define(linker, import.name()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

macro_rules! define_link {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $_n:ident, $_m:expr, $_b:ident;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $_en:ident, $_em:expr, $_eb:ident; }
    ) => {
        /// Defines one function of Preview 1; other names are not defined.
        fn define(linker: &mut Linker<HostData>, name: &str) -> Result<(), LinkerError> {
            match name {
                $(stringify!($name) => linker.func_wrap(
                    MODULE,
                    stringify!($name),
                    |caller: Caller<'_, HostData>, $($arg: $ty),*| -> Result<u32, Error> {
                        host_call(caller, Call::$name { $($arg),* })
                    },
                )?,)*
                stringify!($exit) => linker.func_wrap(
                    MODULE,
                    stringify!($exit),
                    |caller: Caller<'_, HostData>, $($earg: $ety),*| -> Result<(), Error> {
                        host_call(caller, Call::$exit { $($earg),* }).map(|_errno| ())
                    },
                )?,
                _ => linker,
            };
            Ok(())
        }
    };
}
for_each_function!(define_link);
