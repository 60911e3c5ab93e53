//! The first process. It holds every singleton capability, starts the processes that the manifest names, gives
//! each exactly the grants of its entry, and ends the system when they have ended.

mod consoles;
mod devices;
mod disks;
mod restart;
mod servers;
mod singletons;
mod spawn;
mod status;
mod volumes;

use capos_package::Package;
use capos_rt::{block_on, spawn_local};
use capos_schema::console_capnp::console;
use capos_schema::manifest_capnp::{boot_package, manifest};
use capos_schema::power_capnp::power;

use consoles::Console;
use restart::Setup;
use servers::World;
use singletons::Singletons;
use spawn::Endpoints;
use std::cell::RefCell;
use volumes::Volumes;

/// The system's exit status if init itself fails.
const INIT_FAILED: u8 = 125;

fn main() {
    block_on(async {
        let singletons: &'static Singletons = match Singletons::from_bootstrap() {
            // Restarted processes need them as long as this process runs.
            Ok(singletons) => Box::leak(Box::new(singletons)),
            Err(error) => {
                eprintln!("init: {error}");
                return;
            }
        };
        let status = match run(singletons).await {
            Ok(status) => status,
            Err(error) => {
                log(&singletons.log, &format!("init: {error}")).await;
                INIT_FAILED
            }
        };
        power_off(&singletons.power, status).await;
    });
}

/// Starts everything, waits for everything, and returns the system's exit status.
async fn run(singletons: &'static Singletons) -> capnp::Result<u8> {
    let package: &'static Package = Box::leak(Box::new(Package::map(singletons.boot_package.clone()).await?));
    let message = Box::leak(Box::new(package.message()?));
    let root: boot_package::Reader<'static> = message.get_root()?;
    let manifest = root.get_manifest()?;
    let world = World { root, package, singletons };
    let console = Console::start(manifest.get_console()?, world).await?;
    let volumes: &'static Volumes = Box::leak(Box::new(Volumes::start(manifest, world).await?));
    let endpoints = RefCell::new(Endpoints::create(manifest)?);
    let setup = Box::leak(Box::new(Setup { root, package, singletons, console, volumes, endpoints }));
    let status = run_processes(manifest, setup).await;
    let shown = setup.console.flush(&singletons.log).await;
    let synced = volumes.sync(&singletons.log).await;
    let status = status?;
    Ok(if synced && shown || status != 0 { status } else { INIT_FAILED })
}

/// Starts every process, and waits until the run is over. Returns its status.
async fn run_processes(manifest: manifest::Reader<'static>, setup: &'static Setup) -> capnp::Result<u8> {
    let exit_from = manifest.get_exit_from()?.to_str()?;
    // "host/instance" is decided by the host process, which ends with that instance's status.
    let exit_process = exit_from.split('/').next().unwrap_or_default();
    let mut waiting = Vec::new();
    let mut restarting = Vec::new();
    for entry in manifest.get_processes()? {
        let name = entry.get_name()?.to_str()?;
        let process = match setup.start(entry).await {
            Ok(process) => process,
            Err(error) => return Ok(setup.not_started(name, &error).await),
        };
        if restart::may_restart(entry)? {
            restarting.push(entry);
        }
        let ends_system = !exit_process.is_empty() && name == exit_process;
        waiting.push((ends_system, spawn_local(restart::watch(setup, entry, name, process))));
    }
    setup.endpoints.borrow_mut().keep_for(&restarting)?;

    if let Some(index) = waiting.iter().position(|(ends_system, _)| *ends_system) {
        // The other processes are watched, and their ends logged, as long as this one runs.
        return Ok(waiting.swap_remove(index).1.await);
    }
    let mut first_failure = 0;
    for (_, ended) in waiting {
        let status = ended.await;
        if first_failure == 0 {
            first_failure = status;
        }
    }
    Ok(first_failure)
}

/// Waits for the end of one process, logs it, and returns its status.
pub(crate) async fn wait(
    name: String,
    process: capos_schema::process_capnp::process::Client,
    log_to: console::Client,
    expect_fault: bool,
) -> u8 {
    let (text, status) = match status::of(&process, expect_fault).await {
        Ok(end) => end,
        Err(error) => (format!("cannot be watched: {error}"), INIT_FAILED),
    };
    log(&log_to, &format!("init: {name}: {text}")).await;
    status
}

/// Writes a line to the system log. Errors of the log are ignored.
async fn log(to: &console::Client, line: &str) {
    let mut request = to.write_line_request();
    request.get().set_line(line);
    request.send().promise.await.ok();
}

async fn power_off(power: &power::Client, status: u8) {
    let mut request = power.power_off_request();
    request.get().set_status(status);
    request.send().promise.await.ok();
}
