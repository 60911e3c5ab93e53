//! Requests to the compiler service.

use capnp::Result;
use capos_rt::{SealedMemory, grant, object_with};
use capos_schema::compiler_capnp::{code_lease, code_settings, compilation, compiler, compiler_status};
use capos_schema::memory_capnp::memory_object;

/// The service, as this process holds it.
pub(crate) struct Asking {
    pub(crate) compiler: compiler::Client,
    status: compiler_status::Client,
}

/// The settings of a request.
#[derive(Clone, Copy, Default)]
pub(crate) struct Settings {
    pub(crate) is_component: bool,
    pub(crate) is_portable: bool,
    pub(crate) is_low: bool,
}

/// Code, and the lease of it.
pub(crate) struct Code {
    pub(crate) object: memory_object::Client,
    pub(crate) length: u64,
    pub(crate) is_from_cache: bool,
    pub(crate) _lease: code_lease::Client,
}

/// Counters of the service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counters {
    pub(crate) compiled: u64,
    pub(crate) shared: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) rejected: u64,
    pub(crate) code_bytes: u64,
    pub(crate) waiting: u32,
    pub(crate) workers: u32,
}

impl Asking {
    pub(crate) async fn new() -> Result<Self> {
        Ok(Self { compiler: grant("compiler")?, status: grant("compiler-status")? })
    }

    /// Requests code of the first `length` bytes of an object.
    pub(crate) async fn compile_object(
        &self,
        object: memory_object::Client,
        length: u64,
        settings: Settings,
    ) -> Result<compilation::Client> {
        let mut request = self.compiler.compile_request();
        request.get().set_module(object);
        request.get().set_length(length);
        let mut to = request.get().init_settings();
        to.set_kind(if settings.is_component {
            code_settings::Kind::Component
        } else {
            code_settings::Kind::Module
        });
        to.set_portable(settings.is_portable);
        to.set_low_priority(settings.is_low);
        request.send().promise.await?.get()?.get_compilation()
    }

    /// Requests code of a module.
    pub(crate) async fn compile(&self, module: &[u8], settings: Settings) -> Result<compilation::Client> {
        self.compile_object(object_with(module).await?, module.len() as u64, settings).await
    }

    /// The code of a module.
    pub(crate) async fn code(&self, module: &[u8], settings: Settings) -> Result<Code> {
        code(&self.compile(module, settings).await?).await
    }

    pub(crate) async fn counters(&self) -> Result<Counters> {
        let response = self.status.counters_request().send().promise.await?;
        let from = response.get()?.get_counters()?;
        Ok(Counters {
            compiled: from.get_compiled(),
            shared: from.get_shared(),
            failed: from.get_failed(),
            cancelled: from.get_cancelled(),
            rejected: from.get_rejected_entries(),
            code_bytes: from.get_code_bytes(),
            waiting: from.get_waiting(),
            workers: from.get_workers(),
        })
    }
}

/// The result of a request.
pub(crate) async fn code(compilation: &compilation::Client) -> Result<Code> {
    let response = compilation.code_request().send().promise.await?;
    let results = response.get()?;
    Ok(Code {
        object: results.get_code()?,
        length: results.get_length(),
        is_from_cache: results.get_from_cache(),
        _lease: results.get_lease()?,
    })
}

impl Code {
    pub(crate) async fn is_sealed(&self) -> Result<bool> {
        Ok(self.object.size_request().send().promise.await?.get()?.get_sealed())
    }

    /// The first four bytes.
    pub(crate) async fn beginning(&self) -> Result<[u8; 4]> {
        let memory = SealedMemory::map(self.object.clone(), self.length).await?;
        memory.first_chunk().copied().ok_or_else(|| capnp::Error::failed("there is no code".into()))
    }
}
