//! Starting and ending processes.

use crate::counter::{Counter, failed, report};
use capnp::capability::{Client, FromClientHook};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, Passed, Program};
use capos_schema::manifest_capnp::boot_package;
use capos_schema::process_capnp::{exit_cause, limits, process_spawner};
use capos_schema::timer_capnp::timer;

/// Number of measurements of each start.
const RUNS: u64 = 8;

/// All measurements with processes.
pub(crate) async fn all(counter: &Counter) -> capnp::Result<()> {
    let package = Package::map(capos_rt::grant(capos_schema::grants::BOOT_PACKAGE).map_err(failed)?).await?;
    let message = package.message()?;
    let root = message.get_root::<boot_package::Reader<'_>>()?;
    let spawner: process_spawner::Client =
        capos_rt::grant(capos_schema::grants::PROCESS_SPAWNER).map_err(failed)?;
    let timer: timer::Client = capos_rt::grant(capos_schema::grants::TIMER).map_err(failed)?;
    let mut to_first = 0;
    let mut to_exit = 0;
    // The first start also faults in untouched pages of the package; it is not counted.
    for run in 0..=RUNS {
        let started_ns = timer.now_request().send().promise.await?.get()?.get_nanoseconds();
        let start = counter.read();
        let first_ns = start_and_wait(&spawner, &package, root, &timer).await?;
        if run > 0 {
            to_exit += counter.read() - start;
            to_first += first_ns.saturating_sub(started_ns & 0x7fff_ffff);
        }
    }
    report("process_spawn_to_first_instruction", to_first / RUNS);
    report("process_spawn_to_exit", to_exit / RUNS);
    Ok(())
}

/// Starts the smallest program and returns its status: the time at which it started, in nanoseconds (one per
/// instruction), truncated to a status.
async fn start_and_wait(
    spawner: &process_spawner::Client,
    package: &Package,
    root: boot_package::Reader<'_>,
    timer: &timer::Client,
) -> capnp::Result<u64> {
    let mut limits = Builder::new_default();
    let limits = limits.init_root::<limits::Builder<'_>>().into_reader();
    let program = Program {
        name: "bench-tiny",
        binary: "bench-tiny",
        arguments: Vec::new(),
        environment: Vec::new(),
        grants: vec![Passed {
            name: capos_schema::grants::TIMER.name.to_owned(),
            client: Client::new(timer.clone().into_client_hook()),
            interface: timer::Client::TYPE_ID,
            rights: Rights::READ | Rights::WRITE,
        }],
        limits,
        executable: false,
    };
    let process = capos_package::start(spawner, package, root, program).await?;
    let response = process.wait_request().send().promise.await?;
    match response.get()?.get_cause()?.which()? {
        exit_cause::Exited(status) => u64::try_from(status).map_err(failed),
        _ => Err(failed("bench-tiny did not exit")),
    }
}
