//! Starts hostile processes with few resources and few capabilities.
#![expect(unsafe_code, reason = "a page shared with the fuzzers is reached through a raw address")]

use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::grant;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::grants::CODE_FACTORY;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::process_capnp::{exit_cause, process, process_spawner};
use capos_schema::timer_capnp::timer;
use parent::{Child, OwnedLimits, Parent, limits, pass};
use std::sync::atomic::AtomicU64;

/// Starts hostile processes.
pub(crate) struct Launcher(Parent);

/// The code that a process may run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Only its program.
    Given,
    /// Also code that it generates.
    OfItsOwn,
}

/// A budget that a misbehaving program exhausts quickly.
pub(crate) fn small_limits() -> OwnedLimits {
    limits(1024, 64, 4, 4)
}

/// The maximum numbers of slots and threads.
pub(crate) fn large_limits() -> OwnedLimits {
    limits(8192, 1 << 16, 64, 4)
}

impl Launcher {
    /// Takes the grants of this process.
    pub(crate) async fn new() -> capnp::Result<Self> {
        Parent::new().await.map(Self)
    }

    /// Starts the hostile program with `arguments`, a console and a timer.
    pub(crate) async fn start(
        &self,
        arguments: &[&str],
        limits: OwnedLimits,
    ) -> capnp::Result<process::Client> {
        let grants = vec![
            pass(
                capos_schema::grants::CONSOLE.name,
                &self.0.console,
                Rights::READ | Rights::WRITE | Rights::TRANSFER,
            ),
            pass(capos_schema::grants::TIMER.name, &self.0.timer, Rights::READ | Rights::WRITE),
        ];
        self.spawn(arguments, grants, limits, Code::Given).await
    }

    /// Like `start`, for a program that may create code and also holds `object`.
    pub(crate) async fn start_compiler(
        &self,
        name: &str,
        object: &memory_object::Client,
        code: Code,
    ) -> capnp::Result<process::Client> {
        let grants = vec![
            pass(
                capos_schema::grants::CONSOLE.name,
                &self.0.console,
                Rights::READ | Rights::WRITE | Rights::TRANSFER,
            ),
            pass(capos_schema::grants::TIMER.name, &self.0.timer, Rights::READ | Rights::WRITE),
            pass("object", object, Rights::all()),
            pass(
                CODE_FACTORY.name,
                &grant::<code_factory::Client>(CODE_FACTORY)?,
                Rights::READ | Rights::WRITE,
            ),
        ];
        self.spawn(&[name], grants, small_limits(), code).await
    }

    /// Like `start`, for the program that exercises the kernel while its allocations fail.
    pub(crate) async fn start_in_shortage(&self, number: u64) -> capnp::Result<process::Client> {
        let grants = vec![
            pass(
                capos_schema::grants::CONSOLE.name,
                &self.0.console,
                Rights::READ | Rights::WRITE | Rights::TRANSFER,
            ),
            pass(capos_schema::grants::TIMER.name, &self.0.timer, Rights::READ | Rights::WRITE),
            pass(capos_schema::grants::DIAGNOSTICS.name, &self.0.diagnostics, Rights::READ | Rights::WRITE),
            pass(capos_schema::grants::LOG.name, &self.0.log, Rights::WRITE),
        ];
        self.spawn(&["shortage", &number.to_string()], grants, small_limits(), Code::Given).await
    }

    /// The hostile program's file.
    pub(crate) fn program(&self) -> capnp::Result<&[u8]> {
        self.0.binary("hostile")
    }

    /// The capability to start processes.
    pub(crate) const fn spawner(&self) -> &process_spawner::Client {
        &self.0.spawner
    }

    /// Starts a fuzzer. Its output goes to the log, because it is random.
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
            pass(capos_schema::grants::LOG.name, &self.0.log, Rights::WRITE | Rights::TRANSFER),
            pass(capos_schema::grants::TIMER.name, &self.0.timer, all),
            pass(capos_schema::grants::ENTROPY.name, &self.0.entropy, all),
            pass(capos_schema::grants::PROCESS_SPAWNER.name, &self.0.spawner, all),
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
        let executable = code == Code::OfItsOwn;
        self.0.start(Child { binary: "hostile", arguments, grants, limits, executable }).await
    }

    /// A page in which fuzzers count their calls.
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
        // unmaps; all accesses are atomic.
        Ok((object, unsafe { &*(address as *const AtomicU64) }))
    }

    /// A new endpoint shared by a pair of fuzzers.
    pub(crate) async fn endpoint(&self) -> capnp::Result<endpoint::Client> {
        capos_rt::endpoint_factory().create_request().send().promise.await?.get()?.get_endpoint()
    }

    /// The capability for the kernel's counters, and for failing its allocations.
    pub(crate) const fn diagnostics(&self) -> &diagnostics::Client {
        &self.0.diagnostics
    }

    /// The clock.
    pub(crate) const fn timer(&self) -> &timer::Client {
        &self.0.timer
    }

    /// The problems found by the kernel's self-check.
    pub(crate) async fn self_check(&self) -> capnp::Result<Vec<String>> {
        self.0.self_check().await
    }
}

/// A description of a cause.
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
        exit_cause::OutOfMemory(_) => format!("out of memory ({:?})", cause.get_used_up()?),
    })
}
