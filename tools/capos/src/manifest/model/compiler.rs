//! The compiler service, and the engines of WebAssembly hosts.

use serde_json::Value;

use super::{Directory, Manifest, Process, ProcessLimits, Program, Source};

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

/// How a module is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// By the interpreter, at least in one instance.
    Interpreted,
    /// By the interpreter if it can, and otherwise as machine code.
    Either,
    /// As machine code only.
    Compiled,
}

impl Engine {
    /// Its name in a manifest.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interpreter => "interpreter",
            Self::Compiler => "compiler",
            Self::Auto => "auto",
        }
    }

    /// Makes this the engine of every host of an evaluated manifest that would only interpret.
    pub(crate) fn replace_in(self, manifest: &mut Value) {
        let hosts = manifest.get_mut("wasm").and_then(Value::as_array_mut);
        for host in hosts.into_iter().flatten().filter_map(Value::as_object_mut) {
            if host.get("engine").is_none_or(|engine| engine == Self::Interpreter.name()) {
                host.insert("engine".to_owned(), self.name().into());
            }
        }
    }
}

impl Manifest {
    /// Whether anything uses the compiler service.
    pub fn uses_compiler(&self) -> bool {
        let mut grants = self.processes.iter().flat_map(|process| &process.grants);
        self.compiler.is_some() && grants.any(|grant| matches!(grant.source, Source::Compiler(_)))
    }

    /// How a module is run, by what all its instances say.
    pub(crate) fn way_of(&self, program: &Program) -> Way {
        let hosts = self.processes.iter().filter_map(|process| process.wasm_host.as_ref());
        let mut engines = hosts
            .flat_map(|host| {
                host.instances.iter().map(|instance| (instance, instance.engine.unwrap_or(host.engine)))
            })
            .filter(|(instance, _)| instance.module.name == program.name)
            .map(|(_, engine)| engine)
            .peekable();
        let is_packed = self.include.iter().any(|packed| packed.name == program.name);
        if is_packed || engines.peek().is_none() {
            // Processes start others.
            return Way::Interpreted;
        }
        engines.fold(Way::Compiled, |way, engine| match (way, engine) {
            (_, Engine::Interpreter) | (Way::Interpreted, _) => Way::Interpreted,
            (_, Engine::Auto) | (Way::Either, _) => Way::Either,
            (Way::Compiled, Engine::Compiler) => Way::Compiled,
        })
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
