//! The parent's side, shared by the programs that start misbehaving ones: it takes grants, starts a program of the boot
//! package with some of them, and runs the kernel's self-check.

use capnp::capability::{Client, FromClientHook};
use capnp::message::{Builder, HeapAllocator, TypedReader};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_schema::console_capnp::console;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::process_capnp::{limits, process, process_spawner};
use capos_schema::timer_capnp::timer;

/// The grants that every parent has.
pub struct Parent {
    package: Package,
    message: PackageMessage,
    /// Starts processes.
    pub spawner: process_spawner::Client,
    /// Prints the parent's findings.
    pub console: console::Client,
    /// Receives output that is not compared.
    pub log: console::Client,
    /// Tells the time.
    pub timer: timer::Client,
    /// Gives random bytes.
    pub entropy: entropy_source::Client,
    /// Reads the kernel's counters, and makes its allocations fail.
    pub diagnostics: diagnostics::Client,
}

/// A program to start.
pub struct Child<'a> {
    /// The binary in the boot package.
    pub binary: &'a str,
    /// The process's name, then its arguments.
    pub arguments: &'a [&'a str],
    /// Its capabilities, in this order.
    pub grants: Vec<Passed>,
    /// Its limits.
    pub limits: OwnedLimits,
    /// Whether it may map pages executable.
    pub executable: bool,
}

/// A message that holds the limits of a process.
pub type OwnedLimits = TypedReader<Builder<HeapAllocator>, limits::Owned>;

/// Builds the limits of a process. Zero means the documented default.
pub fn limits(frames: u32, slots: u32, threads: u32, priority: u8) -> OwnedLimits {
    let mut message = Builder::new_default();
    let mut limits = message.init_root::<limits::Builder<'_>>();
    limits.set_frames(frames);
    limits.set_capability_slots(slots);
    limits.set_threads(threads);
    limits.set_priority(priority);
    message.into_typed().into_reader()
}

/// The grant of this name.
///
/// # Errors
///
/// None of this name, or one of another interface.
pub fn grant<C: FromClientHook + HasTypeId>(name: impl AsRef<str>) -> capnp::Result<C> {
    capos_rt::grant(name).map_err(|error| capnp::Error::failed(error.to_string()))
}

/// A capability to pass on under a name.
pub fn pass<C: FromClientHook + HasTypeId + Clone>(name: &str, client: &C, rights: Rights) -> Passed {
    let hook = client.clone().into_client_hook();
    Passed { name: name.to_owned(), client: Client::new(hook), interface: C::TYPE_ID, rights }
}

impl Parent {
    /// Takes the grants of this process.
    ///
    /// # Errors
    ///
    /// A grant is missing, or the boot package cannot be mapped.
    pub async fn new() -> capnp::Result<Self> {
        let package = Package::map(grant(capos_schema::grants::BOOT_PACKAGE)?).await?;
        let message = package.message()?;
        Ok(Self {
            package,
            message,
            spawner: grant(capos_schema::grants::PROCESS_SPAWNER)?,
            console: grant(capos_schema::grants::CONSOLE)?,
            log: grant(capos_schema::grants::LOG)?,
            timer: grant(capos_schema::grants::TIMER)?,
            entropy: grant(capos_schema::grants::ENTROPY)?,
            diagnostics: grant(capos_schema::grants::DIAGNOSTICS)?,
        })
    }

    /// The file of a binary in the boot package.
    ///
    /// # Errors
    ///
    /// No binary of this name.
    pub fn binary(&self, name: &str) -> capnp::Result<&[u8]> {
        capos_package::binary(self.message.get_root::<boot_package::Reader<'_>>()?, name)
    }

    /// Starts a program.
    ///
    /// # Errors
    ///
    /// Those of the kernel about the image, the grants and the limits.
    pub async fn start(&self, child: Child<'_>) -> capnp::Result<process::Client> {
        let program = Program {
            name: child.arguments.first().copied().unwrap_or(child.binary),
            binary: child.binary,
            arguments: child.arguments.to_vec(),
            environment: Vec::new(),
            grants: child.grants,
            limits: child.limits.get()?,
            executable: child.executable,
        };
        let root = self.message.get_root::<boot_package::Reader<'_>>()?;
        capos_package::start(&self.spawner, &self.package, root, program).await
    }

    /// The problems found by the kernel's self-check.
    ///
    /// # Errors
    ///
    /// Those of the call.
    pub async fn self_check(&self) -> capnp::Result<Vec<String>> {
        let response = self.diagnostics.self_check_request().send().promise.await?;
        response.get()?.get_problems()?.iter().map(|line| Ok(line?.to_string()?)).collect()
    }
}
