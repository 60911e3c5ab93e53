//! A manifest as typed values. `at` fields hold the path of an entry in the manifest, for messages.

use std::path::PathBuf;

use capos_schema::names;

use crate::qemu::ConsoleLine;

mod compiler;
mod grants;
pub(in crate::manifest) mod held;
pub(in crate::manifest) mod launch;
mod storage;

pub use compiler::*;
pub use grants::*;
pub use storage::*;

/// A system: the processes that boot, and their grants.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The name of the run.
    pub name: String,
    /// Directory trees whose directories are granted; disks in bus order.
    pub volumes: Vec<Volume>,
    /// Native processes and wasm hosts, in start order.
    pub processes: Vec<Process>,
    /// The entry whose status ends the run.
    pub exit_from: Option<String>,
    /// Programs and modules that are packed but not started.
    pub include: Vec<Program>,
    /// The compiler service, unless there is to be none. It is started only if something uses it.
    pub compiler: Option<Compiler>,
    /// The line of its consoles, if the manifest states it; otherwise chosen at the run.
    pub console: Option<ConsoleLine>,
}

/// A process to start.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its place in the manifest.
    pub at: String,
    /// Its unique name.
    pub name: String,
    /// The program that it runs.
    pub binary: Program,
    /// Arguments, the program's name excluded.
    pub args: Vec<String>,
    /// Environment variables and their values.
    pub env: Vec<(String, String)>,
    /// The capabilities that it holds.
    pub grants: Vec<Grant>,
    /// Its limits.
    pub limits: ProcessLimits,
    /// May map sealed memory objects executable.
    pub executable: bool,
    /// Services it serves.
    pub exports: Vec<Export>,
    /// Expected to end by a fault.
    pub expect_fault: bool,
    /// The restart policy.
    pub restart: Restart,
    /// The group that it starts and ends with; `None` for one of its own.
    pub group: Option<String>,
    /// The run does not wait for its end.
    pub is_service: bool,
    /// How it is told to finish its work before the run ends.
    pub flush: Option<Flush>,
    /// Set for a process that hosts WebAssembly instances.
    pub wasm_host: Option<WasmHost>,
}

/// The kind of a binary.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProgramKind {
    /// A static ELF64 executable.
    #[default]
    Native,
    /// A core WebAssembly module.
    Module,
}

impl ProgramKind {
    /// The word for it in listings.
    pub fn word(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Module => "module",
        }
    }
}

/// A program to pack.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its place in the manifest.
    pub at: String,
    /// The kind of the program.
    pub kind: ProgramKind,
    /// Its name in the package.
    pub name: String,
    /// The file as written in the manifest, if it is not one of the tree's programs.
    pub file: Option<PathBuf>,
}

impl Program {
    /// A native program of this tree.
    pub(crate) fn of_this_tree(name: &str) -> Self {
        Self { at: String::new(), kind: ProgramKind::Native, name: name.to_owned(), file: None }
    }
}

/// How a process is told to finish its work.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Flush {
    /// Its export that serves `Flushable`.
    pub export: String,
    /// How long that may take; `None` for as long as it takes.
    pub timeout_ns: Option<u64>,
}

/// The limits of a process; `None` is the documented default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ProcessLimits {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Capability slots.
    pub capability_slots: Option<u32>,
    /// Threads.
    pub threads: Option<u32>,
    /// Highest priority of its threads.
    pub priority: Option<u8>,
}

/// The WebAssembly side of a process that hosts instances.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct WasmHost {
    /// The instances that it runs.
    pub instances: Vec<Instance>,
    /// One after the other rather than all at once.
    pub sequence: bool,
    /// Serves `WasmHost` to other processes.
    pub exports: bool,
    /// How its instances are run, unless they state it themselves.
    pub engine: Engine,
}

/// A WebAssembly instance to start.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its place in the manifest.
    pub at: String,
    /// Its name, unique in its host.
    pub name: String,
    /// The module that it runs.
    pub module: Program,
    /// Arguments, the program's name excluded.
    pub args: Vec<String>,
    /// The program's name, if it differs from the instance's.
    pub argv0: Option<String>,
    /// Environment variables and their values.
    pub env: Vec<(String, String)>,
    /// The capabilities that it holds.
    pub grants: Vec<Grant>,
    /// Directories that are open at the start, from descriptor 3 on.
    pub preopens: Vec<Preopen>,
    /// Standard input.
    pub stdin: Stdio,
    /// Standard output.
    pub stdout: Stdio,
    /// Standard error.
    pub stderr: Stdio,
    /// Unknown imported functions trap when called, rather than being refused.
    pub trap_unknown_imports: bool,
    /// The export that is called instead of `_start`.
    pub invoke: Option<String>,
    /// The restart policy.
    pub restart: Restart,
    /// How it is run; `None` for the way of its host.
    pub engine: Option<Engine>,
    /// Its limits.
    pub limits: InstanceLimits,
}

impl Instance {
    /// The size of its arguments and environment.
    pub fn launch_bytes(&self) -> u64 {
        launch::launch_bytes(self.argv0.iter().chain(&self.args), &self.env) as u64
    }
}

/// The limits of an instance; `None` is the documented default.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct InstanceLimits {
    /// Linear memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Fuel units over its life.
    pub fuel: Option<u64>,
    /// Nanoseconds from start to end.
    pub wall_time_ns: Option<u64>,
    /// Bytes written to the standard streams.
    pub output_bytes: Option<u64>,
    /// Elements of all tables.
    pub table_elements: Option<u32>,
    /// Stack for nested calls, in bytes.
    pub stack_bytes: Option<u64>,
    /// Descriptors open at once.
    pub descriptors: Option<u32>,
}

impl Manifest {
    /// Its fields.
    pub(in crate::manifest) const FIELDS: [&str; 8] =
        ["name", "processes", "wasm", "volumes", "exitFrom", "include", "console", "compiler"];

    /// Sets the line of the consoles, unless the manifest states it.
    pub fn connect(&mut self, line: ConsoleLine) {
        if *self.console.get_or_insert(line) != ConsoleLine::Serial {
            self.include.push(Program::of_this_tree(names::CONSOLE_SERVER));
        }
    }

    /// Every disk in bus order: its name, the image, and whether it holds a volume. Those of volumes come first, then raw
    /// disks of processes, in start order.
    pub fn disks(&self) -> impl Iterator<Item = (String, &DiskImage, bool)> {
        let volumes = self.volumes.iter().filter_map(|volume| match &volume.source {
            VolumeSource::Disk(image) => Some((volume.name.clone(), image, true)),
            VolumeSource::Ram(_) | VolumeSource::Files(_) => None,
        });
        let granted = self.processes.iter().flat_map(|process| {
            let name = |grant: &Grant| format!("{}/{}", process.name, held::shown(&grant.name));
            let disks = process.grants.iter().filter_map(|grant| Some((grant, grant.disk()?)));
            disks.map(move |(grant, disk)| (name(grant), &disk.image, false))
        });
        volumes.chain(granted)
    }

    /// Every program that the package must contain, in manifest order, once per mention.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let started = self.processes.iter().flat_map(|process| {
            let instances = process.wasm_host.iter().flat_map(|host| &host.instances);
            std::iter::once(&process.binary).chain(instances.map(|instance| &instance.module))
        });
        started.chain(&self.include)
    }
}
