//! Imported functions as wasmi host functions.

use super::{
    convert::import_kind,
    data::{HostData, Pause, host_call},
};
use crate::{
    End, Trap, UnknownImports,
    account::{Missing, Refusal},
    engine::{
        Arguments, Host,
        imports::{ImportKind, SPAWN, called_unknown, check_import, is_spawn},
    },
    pace::{ITEM_WORK, Pace, STOPPED, name_work},
};
use wasmi::{Caller, Error, ExternType, FuncType, Linker, Val, WasmTy, errors::LinkerError};

/// Resolves a module's imports. The error names what is unknown.
pub(super) async fn link<H: Host>(
    linker: &mut Linker<HostData<H>>,
    module: &wasmi::Module,
    unknown: UnknownImports,
    pace: &mut Pace,
) -> Result<(), String> {
    // A module may import a function several times; it is defined once.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let (module, name) = (import.module(), import.name());
        match (H::signature(module, name), import.ty(), unknown) {
            (None, ExternType::Func(ty), UnknownImports::Trap) => {
                define_trap(linker, module, name, ty.clone()).map_err(|error| error.to_string())?;
            }
            (_, ty, _) => {
                let kind: ImportKind = import_kind(ty);
                check_import::<H>(module, name, &kind)?;
                H::define(linker, module, name)?;
            }
        }
        pace.spend(ITEM_WORK + name_work(module) + name_work(name)).await;
        if pace.is_stopped() {
            return Err(STOPPED.to_owned());
        }
    }
    Ok(())
}

/// Defines a function that ends the program that calls it.
fn define_trap<H: Host>(
    linker: &mut Linker<HostData<H>>,
    module: &str,
    name: &str,
    ty: FuncType,
) -> Result<(), LinkerError> {
    let message = called_unknown(module, name);
    let spawns = is_spawn(module, name);
    let trap = move |caller: Caller<'_, HostData<H>>, _: &[Val], _: &mut [Val]| {
        caller.data().limiter.trap_says_why();
        if spawns {
            caller.data().limiter.refuse(Refusal { import: SPAWN.1, missing: Missing::Threads });
        }
        let trap = Trap { message: message.clone(), backtrace: Vec::new() };
        Err(Error::host(Pause::Ended(End::Trap(trap))))
    };
    linker.func_new(module, name, ty, trap).map(drop)
}

impl<H: Host> crate::engine::Linker<H> for Linker<HostData<H>> {
    fn function<A: Arguments>(
        &mut self,
        module: &str,
        name: &str,
        call: impl Fn(A) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), String> {
        A::function(self, module, name, call).map_err(|error| error.to_string())
    }

    fn procedure<A: Arguments>(
        &mut self,
        module: &str,
        name: &str,
        call: impl Fn(A) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), String> {
        A::procedure(self, module, name, call).map_err(|error| error.to_string())
    }
}

/// Parameters that wasmi can pass: a tuple of its types.
pub(crate) trait Parameters: Sized {
    /// Defines a function with these parameters that returns a number.
    fn function<H: Host>(
        linker: &mut Linker<HostData<H>>,
        module: &str,
        name: &str,
        call: impl Fn(Self) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), LinkerError>;

    /// Defines a function with these parameters that returns nothing.
    fn procedure<H: Host>(
        linker: &mut Linker<HostData<H>>,
        module: &str,
        name: &str,
        call: impl Fn(Self) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), LinkerError>;
}

macro_rules! parameters {
    ($($name:ident: $ty:ident),*) => {
        impl<$($ty: WasmTy),*> Parameters for ($($ty,)*) {
            fn function<H: Host>(
                linker: &mut Linker<HostData<H>>,
                module: &str,
                name: &str,
                call: impl Fn(Self) -> H::Call + Send + Sync + 'static,
            ) -> Result<(), LinkerError> {
                let serve = move |caller: Caller<'_, HostData<H>>, $($name: $ty),*| -> Result<u32, Error> {
                    host_call(caller, call(($($name,)*)))
                };
                linker.func_wrap(module, name, serve).map(drop)
            }

            fn procedure<H: Host>(
                linker: &mut Linker<HostData<H>>,
                module: &str,
                name: &str,
                call: impl Fn(Self) -> H::Call + Send + Sync + 'static,
            ) -> Result<(), LinkerError> {
                let serve = move |caller: Caller<'_, HostData<H>>, $($name: $ty),*| -> Result<(), Error> {
                    host_call(caller, call(($($name,)*))).map(drop)
                };
                linker.func_wrap(module, name, serve).map(drop)
            }
        }
    };
}

parameters!();
parameters!(a: A);
parameters!(a: A, b: B);
parameters!(a: A, b: B, c: C);
parameters!(a: A, b: B, c: C, d: D);
parameters!(a: A, b: B, c: C, d: D, e: E);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, i: I);
parameters!(a: A, b: B, c: C, d: D, e: E, f: F, g: G, i: I, j: J);
