//! The first process, a supervisor. It holds every singleton capability and starts the processes of the manifest in dependency
//! order, each with exactly the grants of its entry. It restarts ended processes according to their policies, flushes services
//! before the run ends, and powers off. It knows no program and no service: both are data in the manifest.

mod board;
mod devices;
mod entries;
mod exports;
mod flush;
mod singletons;
mod start;
mod status;
mod supervise;

use capos_package::Package;
use capos_rt::block_on;
use capos_schema::console_capnp::console;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::power_capnp::power;

use board::Board;
use entries::Entries;
use exports::Exports;
use singletons::Singletons;
use supervise::Group;

/// The system's exit status if init itself fails.
const INIT_FAILED: u8 = 125;

/// The state needed to start and watch processes.
pub(crate) struct Setup {
    root: boot_package::Reader<'static>,
    package: &'static Package,
    singletons: &'static Singletons,
    entries: Entries,
    exports: Exports,
    board: Board,
}

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

/// Starts everything, waits until the run is over, and returns the system's exit status.
async fn run(singletons: &'static Singletons) -> capnp::Result<u8> {
    let package: &'static Package = Box::leak(Box::new(Package::map(singletons.boot_package.clone()).await?));
    let message = Box::leak(Box::new(package.message()?));
    let root: boot_package::Reader<'static> = message.get_root()?;
    let entries = Entries::read(root.get_manifest()?)?;
    let (exports, board) = (Exports::create(&entries)?, Board::new(entries.list.len()));
    let setup = Box::leak(Box::new(Setup { root, package, singletons, entries, exports, board }));
    let status = run_processes(setup).await;
    let all_flushed = flush::all(setup).await;
    Ok(if all_flushed || status != 0 { status } else { INIT_FAILED })
}

/// Starts every process, and waits until the run is over. Returns its status.
async fn run_processes(setup: &'static Setup) -> u8 {
    let Setup { entries, .. } = setup;
    let mut groups: Vec<Group> = entries.groups().into_iter().map(Group::new).collect();
    for &index in &entries.order {
        let process = match start::start(setup, index).await {
            Ok(process) => process,
            Err(error) => return supervise::not_started(setup, index, &error).await,
        };
        if let Some(place) = groups.iter().position(|group| group.has(index))
            && let Some(group) = groups.get_mut(place)
            && group.add(setup, index, process)
        {
            supervise::watch(setup, groups.swap_remove(place));
        }
    }
    setup.exports.keep_for(entries);
    setup.board.all_ended(&entries.awaited()).await
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
