//! The machine under wasmtime's runtime: code comes from the compiler service, memory from the address space.
// Unsafe here: loads code, which is trusted because only the compiler service makes it.
#![expect(unsafe_code, reason = "loads code of the compiler service")]

use crate::{
    code::{self, SealedCode},
    faults, interruption,
    pool::pool,
    stacks::Stacks,
};
use capos_codegen::Settings;
use capos_rt::grant;
use capos_schema::{
    compiler_capnp::{compilation, compiler},
    memory_capnp::memory_object,
    names,
};
use capos_wasm::{Machine, Urgency};
use futures::future::{Either, LocalBoxFuture, select};
use std::{ops::Range, pin::pin, ptr::NonNull, rc::Rc, sync::Arc};
use wasmtime::{Config, Engine, Module};

/// The machine of this process's engines, if it was granted a compiler. From then on, faults within generated code are traps.
///
/// # Errors
/// If faults cannot be handled.
pub async fn machine(memory_bytes: u64) -> capnp::Result<Option<Rc<dyn Machine>>> {
    let Ok(compiler) = grant::<compiler::Client>(names::COMPILER_EXPORT) else { return Ok(None) };
    faults::install().await?;
    Ok(Some(Rc::new(Capos { memory_bytes, compiler })))
}

struct Capos {
    /// The process's memory.
    memory_bytes: u64,
    compiler: compiler::Client,
}

impl Machine for Capos {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn is_portable(&self) -> bool {
        false
    }

    fn can_interrupt(&self) -> bool {
        true
    }

    fn configure(&self, config: &mut Config, is_pooled: bool) {
        config.with_custom_code_memory(Some(Arc::new(SealedCode))).with_host_stack(Arc::new(Stacks));
        if is_pooled {
            config.allocation_strategy(pool(self.memory_bytes));
        }
    }

    fn module<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        settings: Settings,
    ) -> LocalBoxFuture<'a, Result<Module, String>> {
        Box::pin(async move { load(engine, self.code(bytes, settings, None).await) })
    }

    fn module_for_later<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        settings: Settings,
        urgency: &'a Urgency,
    ) -> LocalBoxFuture<'a, Result<Module, String>> {
        Box::pin(async move { load(engine, self.code(bytes, settings, Some(urgency)).await) })
    }

    fn run_until(&self, code: Range<usize>, time_ns: u64) {
        interruption::run_until(code, time_ns);
    }

    fn is_due(&self) -> bool {
        interruption::is_due()
    }

    fn stop(&self) {
        interruption::stop();
    }
}

impl Capos {
    /// Maps the code of a module. With `urgency`, nobody waits for it until that is raised.
    async fn code(
        &self,
        bytes: &[u8],
        settings: Settings,
        urgency: Option<&Urgency>,
    ) -> capnp::Result<NonNull<[u8]>> {
        let object = object(bytes).await?;
        let request = |is_urgent| self.request(object.clone(), bytes.len(), settings, is_urgent);
        let compilation = request(urgency.is_none()).await?;
        let code = compilation.code_request().send().promise;
        let response = match urgency {
            None => code.await?,
            Some(urgency) => match select(code, pin!(urgency.raised())).await {
                Either::Left((response, _)) => response?,
                Either::Right(((), code)) => {
                    // It is joined with the first one, and makes that urgent. If it fails, the first one goes on.
                    let _urgent = request(true).await;
                    code.await?
                }
            },
        };
        let code = response.get()?;
        code::map(code.get_code()?, code.get_length(), code.get_lease()?).map_err(capnp::Error::failed)
    }

    async fn request(
        &self,
        module: memory_object::Client,
        length: usize,
        settings: Settings,
        is_urgent: bool,
    ) -> capnp::Result<compilation::Client> {
        let mut request = self.compiler.compile_request();
        let mut params = request.get();
        params.set_module(module);
        params.set_length(length as u64);
        let mut asked = params.init_settings();
        asked.set_fuel(settings.counts_fuel);
        asked.set_portable(settings.is_portable);
        asked.set_low_priority(!is_urgent);
        request.send().promise.await?.get()?.get_compilation()
    }
}

/// Makes a module of mapped code.
fn load(engine: &Engine, code: capnp::Result<NonNull<[u8]>>) -> Result<Module, String> {
    let code = code.map_err(|error| error.extra)?;
    // SAFETY: the bytes are an artifact of the compiler service, in a sealed object, whose contents never change.
    // They stay mapped until wasmtime has no use for them.
    let module = unsafe { Module::deserialize_raw(engine, code) };
    module.map_err(|error| {
        // SAFETY: there is no module that could use it. If wasmtime has dropped it, it is unmapped already.
        unsafe { code::unmap(code.as_ptr().addr()) };
        format!("{error:#}")
    })
}

/// A sealed memory object with these contents, which the compiler service reads in place.
async fn object(bytes: &[u8]) -> capnp::Result<memory_object::Client> {
    let object = capos_rt::object_with(bytes).await?;
    object.seal_request().send().promise.await?;
    Ok(object)
}
