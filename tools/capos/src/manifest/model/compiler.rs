//! The compiler service, and the engines of WebAssembly hosts.

use super::{Directory, Manifest, Process, ProcessLimits, Source};

/// How a module is run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Interpreted.
    #[default]
    Interpreter,
    /// As machine code.
    Compiler,
    /// As machine code when there is some, and interpreted until then and otherwise.
    Auto,
}

/// The compiler service; `None` is the documented default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Compiler {
    /// The directory of its cache.
    pub cache: Option<Directory>,
    /// The directory of the cache's key, if that is not beside the entries.
    pub key: Option<Directory>,
    /// The limits of the service itself.
    pub limits: ProcessLimits,
    /// Memory of a worker in bytes.
    pub worker_bytes: Option<u64>,
    /// Processor time of a worker.
    pub worker_ns: Option<u64>,
    /// Workers at once.
    pub workers: Option<u64>,
    /// Requests of one client at once.
    pub requests: Option<u64>,
    /// Maximum size of a module.
    pub module_bytes: Option<u64>,
    /// Maximum size of a module's code.
    pub code_bytes: Option<u64>,
    /// Size of the cache.
    pub cache_bytes: Option<u64>,
    /// Whether each compilation is logged.
    pub is_verbose: bool,
    /// Identifies the program that compiles; set when the package is made.
    pub revision: String,
}

/// An export of the compiler service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompilerExport {
    /// `Compiler`, for each holder a separate one.
    Code,
    /// `CompilerStatus`.
    Status,
}

impl Manifest {
    /// Whether anything uses the compiler service.
    pub fn uses_compiler(&self) -> bool {
        let mut grants = self.processes.iter().flat_map(|process| &process.grants);
        self.compiler.is_some() && grants.any(|grant| matches!(grant.source, Source::Compiler(_)))
    }
}

impl Process {
    /// The engines of its instances, the host's own first.
    pub(in crate::manifest) fn engines(&self) -> impl Iterator<Item = (&str, Engine)> {
        let hosts = self.wasm_host.iter();
        let own = hosts.clone().map(|host| (self.at.as_str(), host.engine));
        let instances = hosts.flat_map(|host| &host.instances);
        own.chain(instances.filter_map(|instance| Some((instance.at.as_str(), instance.engine?))))
    }

    /// Whether it is a WebAssembly host that can run machine code.
    pub fn compiles(&self) -> bool {
        self.engines().any(|(_, engine)| engine != Engine::Interpreter)
    }
}
