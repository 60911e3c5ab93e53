//! Starts one process of the manifest.

use std::time::Duration;

use capnp::capability::Client;
use capos_abi::Rights;
use capos_package::{Passed, Program};
use capos_schema::manifest_capnp::{export_ref, grant_entry};
use capos_schema::process_capnp::process;
use capos_schema::supervision_capnp::grantor;

use crate::board::State;
use crate::{Setup, devices, flush};

/// The time within which the end of a process that stopped receiving is expected to become known.
const NEWS: Duration = Duration::from_secs(1);

/// Starts the process of an entry with exactly the grants that it lists.
pub(crate) async fn start(setup: &Setup, index: usize) -> capnp::Result<process::Client> {
    let entry = setup.entries.list.get(index).ok_or_else(|| capnp::Error::failed("no such entry".into()))?;
    let started = start_with(setup, entry.name, entry.reader).await;
    setup.exports.hand_over(entry.name);
    started
}

async fn start_with(
    setup: &Setup,
    name: &str,
    entry: capos_schema::manifest_capnp::process_entry::Reader<'_>,
) -> capnp::Result<process::Client> {
    let mut grants = Vec::new();
    for grant in entry.get_grants()? {
        grants.push(granted(setup, grant).await?);
    }
    for export in entry.get_exports()? {
        grants.push(setup.exports.receiver(name, export?.to_str()?)?);
    }
    let mut arguments = Vec::new();
    for argument in entry.get_arguments()? {
        arguments.push(argument?.to_str()?);
    }
    let mut environment = Vec::new();
    for variable in entry.get_environment()? {
        environment.push((variable.get_name()?.to_str()?, variable.get_value()?.to_str()?));
    }
    let program = Program {
        name,
        binary: entry.get_binary()?.to_str()?,
        arguments,
        environment,
        grants,
        limits: entry.get_limits()?,
        executable: entry.get_executable(),
    };
    capos_package::start(&setup.singletons.spawner, setup.package, setup.root, program).await
}

/// The capability behind one grant.
async fn granted(setup: &Setup, grant: grant_entry::Reader<'_>) -> capnp::Result<Passed> {
    let name = grant.get_name()?.to_str()?;
    let mut passed = match grant.get_source().which()? {
        grant_entry::source::WellKnown(known) => setup.singletons.passed(known?, name)?,
        grant_entry::source::Export(from) => {
            let from = from?;
            let client = if from.has_wanted() { made(setup, from).await } else { exported(setup, from) };
            let client = client.map_err(|error| in_grant(name, error))?;
            setup.exports.set_used(from.get_process()?.to_str()?);
            let interface = grant.get_interface_id();
            Passed { name: name.to_owned(), client, interface, rights: Rights::CALL | Rights::TRANSFER }
        }
        grant_entry::source::Device(wanted) => {
            let device = devices::open(&setup.singletons.pci_bus, wanted?).await;
            devices::passed(name, device.map_err(|error| in_grant(name, error))?)
        }
        grant_entry::source::Held(held) => {
            let held = held?.to_str()?;
            let reason = format!("only the host of an instance can hold \"{held}\" for it");
            return Err(in_grant(name, capnp::Error::failed(reason)));
        }
    };
    if grant.get_read_only() {
        passed.rights &= Rights::READ | Rights::TRANSFER;
    }
    Ok(passed)
}

/// Adds the name of the grant to an error.
fn in_grant(name: &str, error: capnp::Error) -> capnp::Error {
    capnp::Error { extra: format!("the grant \"{name}\": {}", error.extra), ..error }
}

/// An export itself.
fn exported(setup: &Setup, from: export_ref::Reader<'_>) -> capnp::Result<Client> {
    setup
        .exports
        .client(from.get_process()?.to_str()?, from.get_export()?.to_str()?)
        .map(|(client, _)| client)
}

/// The capability that the process behind an export makes from a description. Waits while that process is being restarted.
async fn made(setup: &Setup, from: export_ref::Reader<'_>) -> capnp::Result<Client> {
    let (process, export) = (from.get_process()?.to_str()?, from.get_export()?.to_str()?);
    if !setup.exports.has_started(process, export) {
        return Err(capnp::Error::failed(format!(
            "{process} is started later: it is granted something of this one"
        )));
    }
    loop {
        let (grantor, renewals): (grantor::Client, u32) = setup.exports.client(process, export)?;
        let mut request = grantor.grant_request();
        request.get().init_wanted().set_as(from.get_wanted())?;
        let error = match request.send().promise.await {
            Ok(response) => return response.get()?.get_capability().get_as_capability(),
            Err(error) => error,
        };
        if error.kind != capnp::ErrorKind::Disconnected {
            return Err(capnp::Error { extra: format!("{process}: {}", error.extra), ..error });
        }
        // This failure may be noticed before the supervising task learns of the end; the process may also still run without
        // receiving.
        let is_again = setup.board.wait_for(|| {
            if setup.exports.renewals(process, export) != Some(renewals) {
                return Some(true);
            }
            let state = setup.entries.position(process).map(|index| setup.board.get(index));
            (state != Some(State::Watched)).then_some(false)
        });
        let is_again = flush::within(NEWS, is_again).await.unwrap_or(false);
        if !is_again {
            return Err(capnp::Error::failed(format!("{process} is not being served; the log says why")));
        }
    }
}
