//! The WASI functions as wasmi host functions, one for each line of the table.

use super::{
    data::{HostData, Pause, host_call},
    module::{SPAWN, check_import, is_known, is_spawn},
    names::printable,
};
use crate::{
    End, Trap, UnknownImports,
    account::{Missing, Refusal},
    preview1::{Call, Snapshot, for_each_function},
};
use wasmi::{Caller, Engine, Error, ExternType, FuncType, Linker, Module, Val, errors::LinkerError};

/// Finds what a module imports. The error names what is unknown.
pub(super) fn link(
    engine: &Engine,
    module: &Module,
    unknown: UnknownImports,
) -> Result<Linker<HostData>, String> {
    let mut linker = Linker::new(engine);
    // A module may import a function several times; it is defined once.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let defined = match (is_known(&import), import.ty(), unknown) {
            (false, ExternType::Func(ty), UnknownImports::Trap) => {
                define_trap(&mut linker, import.module(), import.name(), ty.clone())
            }
            _ => {
                check_import(&import)?;
                define(&mut linker, Snapshot::of_module(import.module()).unwrap_or_default(), import.name())
            }
        };
        defined.map_err(|error| error.to_string())?;
    }
    Ok(linker)
}

/// Defines a function that ends whoever calls it.
fn define_trap(
    linker: &mut Linker<HostData>,
    module: &str,
    name: &str,
    ty: FuncType,
) -> Result<(), LinkerError> {
    let (shown_name, shown_module) = (printable(name), printable(module));
    let message = format!("called {shown_name:?} of {shown_module:?}, which this host does not have");
    let spawns = is_spawn(module, name);
    let trap = move |caller: Caller<'_, HostData>, _: &[Val], _: &mut [Val]| {
        caller.data().limiter.trap_says_why();
        if spawns {
            caller.data().limiter.refuse(Refusal { import: SPAWN.1, missing: Missing::Threads });
        }
        let trap = Trap { message: message.clone(), backtrace: Vec::new() };
        Err(Error::host(Pause::Ended(End::Trap(trap))))
    };
    linker.func_new(module, name, ty, trap).map(drop)
}

macro_rules! define_link {
    (
        done { $($name:ident($($arg:ident: $ty:ident),*) = $_f:path, $_n:ident, $_m:expr, $_b:ident;)* }
        exit { $exit:ident($($earg:ident: $ety:ident),*) = $_ef:path, $_en:ident, $_em:expr, $_eb:ident; }
    ) => {
        /// Defines one function of Preview 1; other names are not defined.
        fn define(
            linker: &mut Linker<HostData>,
            snapshot: Snapshot,
            name: &str,
        ) -> Result<(), LinkerError> {
            match name {
                $(stringify!($name) => linker.func_wrap(
                    snapshot.module(),
                    stringify!($name),
                    move |caller: Caller<'_, HostData>, $($arg: $ty),*| -> Result<u32, Error> {
                        host_call(caller, snapshot, Call::$name { $($arg),* })
                    },
                )?,)*
                stringify!($exit) => linker.func_wrap(
                    snapshot.module(),
                    stringify!($exit),
                    move |caller: Caller<'_, HostData>, $($earg: $ety),*| -> Result<(), Error> {
                        host_call(caller, snapshot, Call::$exit { $($earg),* }).map(|_errno| ())
                    },
                )?,
                _ => linker,
            };
            Ok(())
        }
    };
}
for_each_function!(define_link);
