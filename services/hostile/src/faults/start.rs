//! Starting hostile processes with few resources and few capabilities.
#![expect(unsafe_code, reason = "a page shared with the fuzzers is reached through a raw address")]

use capnp::capability::{Client, FromClientHook};
use capnp::message::{Builder, TypedReader};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, PackageMessage, Passed, Program};
use capos_schema::console_capnp::console;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::memory_capnp::memory_object;
use capos_schema::process_capnp::{exit_cause, limits, process, process_spawner};
use capos_schema::timer_capnp::timer;
use std::sync::atomic::AtomicU64;

/// What the parent holds and hands out.
pub(crate) struct Launcher {
    package: Package,
    message: PackageMessage,
    spawner: process_spawner::Client,
    console: console::Client,
    log: console::Client,
    timer: timer::Client,
    entropy: entropy_source::Client,
    diagnostics: diagnostics::Client,
}

/// Which code a process runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    /// That of its program.
    Given,
    /// Also what it makes itself.
    OfItsOwn,
}

type OwnedLimits = TypedReader<Builder<capnp::message::HeapAllocator>, limits::Owned>;

/// A budget that a misbehaving program uses up quickly.
pub(crate) fn small_limits() -> OwnedLimits {
    let mut message = Builder::new_default();
    let mut limits = message.init_root::<limits::Builder<'_>>();
    limits.set_frames(1024);
    limits.set_capability_slots(64);
    limits.set_threads(4);
    limits.set_priority(4);
    message.into_typed().into_reader()
}

/// As many slots and threads as a process may want.
pub(crate) fn large_limits() -> OwnedLimits {
    let mut message = Builder::new_default();
    let mut limits = message.init_root::<limits::Builder<'_>>();
    limits.set_frames(8192);
    limits.set_capability_slots(1 << 16);
    limits.set_threads(64);
    limits.set_priority(4);
    message.into_typed().into_reader()
}

fn failed(error: impl std::fmt::Display) -> capnp::Error {
    capnp::Error::failed(error.to_string())
}

fn pass<C: FromClientHook + HasTypeId + Clone>(name: &str, client: &C, rights: Rights) -> Passed {
    let hook = client.clone().into_client_hook();
    Passed { name: name.to_owned(), client: Client::new(hook), interface: C::TYPE_ID, rights }
}

impl Launcher {
    /// Takes the grants of this process.
    pub(crate) async fn new() -> capnp::Result<Self> {
        let package = Package::map(capos_rt::grant("boot-package").map_err(failed)?).await?;
        let message = package.message()?;
        Ok(Self {
            package,
            message,
            spawner: capos_rt::grant("process-spawner").map_err(failed)?,
            console: capos_rt::grant("console").map_err(failed)?,
            log: capos_rt::grant("log").map_err(failed)?,
            timer: capos_rt::grant("timer").map_err(failed)?,
            entropy: capos_rt::grant("entropy").map_err(failed)?,
            diagnostics: capos_rt::grant("diagnostics").map_err(failed)?,
        })
    }

    /// Starts the hostile program with `arguments`, a console and a timer.
    pub(crate) async fn start(
        &self,
        arguments: &[&str],
        limits: OwnedLimits,
    ) -> capnp::Result<process::Client> {
        let grants = vec![
            pass("console", &self.console, Rights::READ | Rights::WRITE | Rights::TRANSFER),
            pass("timer", &self.timer, Rights::READ | Rights::WRITE),
        ];
        self.spawn(arguments, grants, limits, Code::Given).await
    }

    /// The same, for a program that may make pages executable and also holds `object`.
    pub(crate) async fn start_compiler(
        &self,
        name: &str,
        object: &memory_object::Client,
    ) -> capnp::Result<process::Client> {
        let grants = vec![
            pass("console", &self.console, Rights::READ | Rights::WRITE | Rights::TRANSFER),
            pass("timer", &self.timer, Rights::READ | Rights::WRITE),
            pass("object", object, Rights::all()),
        ];
        self.spawn(&[name], grants, small_limits(), Code::OfItsOwn).await
    }

    /// The same, for the program that does a bit of everything while allocations of the kernel fail.
    pub(crate) async fn start_in_shortage(&self, number: u64) -> capnp::Result<process::Client> {
        let grants = vec![
            pass("console", &self.console, Rights::READ | Rights::WRITE | Rights::TRANSFER),
            pass("timer", &self.timer, Rights::READ | Rights::WRITE),
            pass("diagnostics", &self.diagnostics, Rights::READ | Rights::WRITE),
            pass("log", &self.log, Rights::WRITE),
        ];
        self.spawn(&["shortage", &number.to_string()], grants, small_limits(), Code::Given).await
    }

    /// The hostile program's file.
    pub(crate) fn program(&self) -> capnp::Result<&[u8]> {
        capos_package::binary(self.message.get_root::<boot_package::Reader<'_>>()?, "hostile")
    }

    /// What starts processes.
    pub(crate) const fn spawner(&self) -> &process_spawner::Client {
        &self.spawner
    }

    /// Starts a fuzzer. What it writes goes to the log, because it writes nonsense.
    pub(crate) async fn start_fuzzer(
        &self,
        seed: u64,
        counter: &memory_object::Client,
        endpoint: &endpoint::Client,
    ) -> capnp::Result<process::Client> {
        let all = Rights::all();
        let grants = vec![
            pass("counter", counter, Rights::READ | Rights::WRITE | Rights::TRANSFER),
            pass("endpoint", endpoint, all),
            pass("log", &self.log, Rights::WRITE | Rights::TRANSFER),
            pass("timer", &self.timer, all),
            pass("entropy", &self.entropy, all),
            pass("process-spawner", &self.spawner, all),
        ];
        self.spawn(&["fuzz", &seed.to_string()], grants, small_limits(), Code::Given).await
    }

    async fn spawn(
        &self,
        arguments: &[&str],
        grants: Vec<Passed>,
        limits: OwnedLimits,
        code: Code,
    ) -> capnp::Result<process::Client> {
        let program = Program {
            name: arguments.first().copied().unwrap_or("hostile"),
            binary: "hostile",
            arguments: arguments.to_vec(),
            environment: Vec::new(),
            grants,
            limits: limits.get()?,
            executable: code == Code::OfItsOwn,
        };
        let root = self.message.get_root::<boot_package::Reader<'_>>()?;
        capos_package::start(&self.spawner, &self.package, root, program).await
    }

    /// A page that fuzzers count their calls in.
    pub(crate) async fn shared_counter(&self) -> capnp::Result<(memory_object::Client, &'static AtomicU64)> {
        let memory = capos_rt::virtual_memory();
        let mut request = memory.create_object_request();
        request.get().set_length(4096);
        let object = request.send().promise.await?.get()?.get_object()?;
        let mut request = memory.map_object_request();
        request.get().set_object(object.clone());
        request.get().set_length(4096);
        let mut protection = request.get().init_protection();
        protection.set_read(true);
        protection.set_write(true);
        let address = request.send().promise.await?.get()?.get_address();
        // SAFETY: the kernel mapped a zeroed page there, readable and writable, which this process never
        // unmaps; every access by anyone is atomic.
        Ok((object, unsafe { &*(address as *const AtomicU64) }))
    }

    /// A new endpoint for a pair of fuzzers to fight over.
    pub(crate) async fn endpoint(&self) -> capnp::Result<endpoint::Client> {
        capos_rt::endpoint_factory().create_request().send().promise.await?.get()?.get_endpoint()
    }

    /// What counts the kernel's memory, and makes it fail.
    pub(crate) const fn diagnostics(&self) -> &diagnostics::Client {
        &self.diagnostics
    }

    /// What tells the time.
    pub(crate) const fn timer(&self) -> &timer::Client {
        &self.timer
    }

    /// What the kernel finds wrong with itself.
    pub(crate) async fn self_check(&self) -> capnp::Result<Vec<String>> {
        let response = self.diagnostics.self_check_request().send().promise.await?;
        response.get()?.get_problems()?.iter().map(|line| Ok(line?.to_string()?)).collect()
    }
}

/// A cause in words.
pub(crate) fn describe(cause: exit_cause::Reader<'_>) -> capnp::Result<String> {
    Ok(match cause.which()? {
        exit_cause::Exited(status) => match capos_abi::ErrorCode::from_raw(status) {
            Some(code) => format!("exit status {status} ({code:?})"),
            None => format!("exit status {status}"),
        },
        exit_cause::Killed(()) => "killed".to_owned(),
        exit_cause::Fault(fault) => {
            let fault = fault?;
            let (vector, address, at) =
                (fault.get_vector(), fault.get_address(), fault.get_instruction_pointer());
            format!("exception {vector} at address {address:#x}, instruction {at:#x}")
        }
        exit_cause::OutOfMemory(_) => "out of memory".to_owned(),
    })
}
