//! The machine under wasmtime's runtime: code comes from the compiler service, memory from the address space.
// Unsafe here: loads code, which is trusted because only the compiler service makes it.
#![expect(unsafe_code, reason = "loads code of the compiler service")]

use crate::{
    code::{self, SealedCode},
    interruption,
    pool::pool,
    stacks::Stacks,
};
use capos_codegen::Settings;
use capos_rt::{Access, abi::PAGE_SIZE, address_space, grant, virtual_memory};
use capos_schema::{compiler_capnp::compiler, memory_capnp::memory_object};
use capos_wasm::{EngineKind, Machine};
use futures::future::LocalBoxFuture;
use std::{ops::Range, rc::Rc, sync::Arc};
use wasmtime::{Config, Engine, Module};

/// The grant of the compiler service.
const COMPILER: &str = "compiler";

/// The engine for generated code, if this process was granted a compiler.
pub(crate) fn compiler(memory_bytes: u64) -> Option<EngineKind> {
    let compiler: compiler::Client = grant(COMPILER).ok()?;
    Some(EngineKind::Wasmtime(Rc::new(Capos { memory_bytes, compiler })))
}

struct Capos {
    /// The process's limit.
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
        Box::pin(async move {
            let code = self.code(bytes, settings).await.map_err(|error| error.extra)?;
            // SAFETY: the bytes are an artifact of the compiler service, in a sealed object, whose contents never change.
            // They stay mapped until wasmtime has no use for them.
            let module = unsafe { Module::deserialize_raw(engine, code) };
            module.map_err(|error| {
                // SAFETY: there is no module that could use it. If wasmtime has dropped it, it is unmapped already.
                unsafe { code::unmap(code.as_ptr().addr()) };
                format!("{error:#}")
            })
        })
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
    /// Maps the code of a module.
    async fn code(&self, bytes: &[u8], settings: Settings) -> capnp::Result<std::ptr::NonNull<[u8]>> {
        let mut request = self.compiler.compile_request();
        let mut params = request.get();
        params.set_module(object(bytes).await?);
        params.set_length(bytes.len() as u64);
        let mut asked = params.init_settings();
        asked.set_fuel(settings.counts_fuel);
        asked.set_portable(settings.is_portable);
        let compilation = request.send().promise.await?.get()?.get_compilation()?;
        let code = compilation.code_request().send().promise.await?;
        let code = code.get()?;
        let length =
            usize::try_from(code.get_length()).map_err(|error| capnp::Error::failed(error.to_string()))?;
        code::map(code.get_code()?, length, code.get_lease()?).map_err(capnp::Error::failed)
    }
}

/// A new memory object with these contents.
async fn object(bytes: &[u8]) -> capnp::Result<memory_object::Client> {
    let length = bytes.len().max(1).next_multiple_of(PAGE_SIZE as usize);
    let mut request = virtual_memory().create_object_request();
    request.get().set_length(length as u64);
    let object = request.send().promise.await?.get()?.get_object()?;
    let failed = |error: capos_rt::abi::ErrorCode| capnp::Error::failed(error.message().to_owned());
    let address = address_space::map_object(&object, 0, length, Access::ReadWrite).map_err(failed)?;
    // SAFETY: the pages have just been mapped, writable, and are at least as long as the bytes.
    unsafe { (address as *mut u8).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    // SAFETY: nothing refers to the mapping any more.
    unsafe { address_space::unmap(address, length) }.map_err(failed)?;
    Ok(object)
}
