//! Imported functions as wasmtime host functions.

use super::{
    convert::import_kind,
    data::{Ended, HostData},
    serve::host_call,
};
use crate::{
    End, Trap, UnknownImports,
    account::{Missing, Refusal},
    engine::{
        Arguments, Host,
        imports::{SPAWN, called_unknown, check_import, is_spawn, not_a_function},
    },
    pace::{ITEM_WORK, Pace, STOPPED, name_work},
};
use wasmtime::{Caller, Error, ExternType, FuncType, Linker, Val};

/// Resolves a module's imports. The error names what is unknown.
pub(super) async fn link<H: Host>(
    linker: &mut Linker<HostData<H>>,
    module: &wasmtime::Module,
    unknown: UnknownImports,
    pace: &mut Pace,
) -> Result<(), String> {
    // A module may import a function several times; it is defined once.
    linker.allow_shadowing(true);
    for import in module.imports() {
        let (module, name) = (import.module(), import.name());
        match (H::signature(module, name), import.ty(), unknown) {
            (None, ExternType::Func(ty), UnknownImports::Trap) => {
                define_trap(linker, module, name, ty).map_err(|error| error.to_string())?;
            }
            (_, ty, _) => {
                let kind = import_kind(&ty).ok_or_else(|| not_a_function(module, name, "tag"))?;
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
) -> wasmtime::Result<()> {
    let message = called_unknown(module, name);
    let spawns = is_spawn(module, name);
    let trap = move |caller: Caller<'_, HostData<H>>, _: &[Val], _: &mut [Val]| {
        let limiter = caller.data().limits.limiter();
        limiter.trap_says_why();
        if spawns {
            limiter.refuse(Refusal { import: SPAWN.1, missing: Missing::Threads });
        }
        let trap = Trap { message: message.clone(), backtrace: Vec::new() };
        Err(Error::new(Ended(End::Trap(trap))))
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
        let defined =
            self.func_wrap_list(module, name, move |caller: Caller<'_, HostData<H>>, arguments: A| {
                host_call(caller, call(arguments), |value| value)
            });
        defined.map(drop).map_err(|error| error.to_string())
    }

    fn procedure<A: Arguments>(
        &mut self,
        module: &str,
        name: &str,
        call: impl Fn(A) -> H::Call + Send + Sync + 'static,
    ) -> Result<(), String> {
        let defined =
            self.func_wrap_list(module, name, move |caller: Caller<'_, HostData<H>>, arguments: A| {
                host_call(caller, call(arguments), drop)
            });
        defined.map(drop).map_err(|error| error.to_string())
    }
}
