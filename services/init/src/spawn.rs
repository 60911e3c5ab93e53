//! Starts one process of the manifest.

use crate::restart::Setup;
use crate::{devices, disks};
use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Passed, Program};
use capos_rt::Endpoint;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::grants::WellKnownGrant;
use capos_schema::manifest_capnp::{grant_entry, manifest, process_entry};
use capos_schema::process_capnp::process;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The endpoint of each export, by process and export name.
#[derive(Clone)]
pub(crate) struct Endpoints(BTreeMap<(String, String), Rc<Endpoint>>);

impl Endpoints {
    /// Creates an endpoint for each export that the manifest names.
    pub(crate) fn create(manifest: manifest::Reader<'_>) -> capnp::Result<Self> {
        let mut endpoints = BTreeMap::new();
        for entry in manifest.get_processes()? {
            for export in entry.get_exports()? {
                let key = (entry.get_name()?.to_string()?, export?.to_string()?);
                endpoints.insert(key, Rc::new(Endpoint::new()?));
            }
        }
        Ok(Self(endpoints))
    }

    /// Drops everything except what restarting the processes of `entries` needs. Endpoints are kept alive only by
    /// their users then, so servers see their callers go.
    pub(crate) fn keep_for(&mut self, entries: &[process_entry::Reader<'_>]) -> capnp::Result<()> {
        let mut needed = BTreeSet::new();
        for entry in entries {
            for export in entry.get_exports()? {
                needed.insert((entry.get_name()?.to_string()?, export?.to_string()?));
            }
            for grant in entry.get_grants()? {
                if let grant_entry::source::Export(from) = grant.get_source().which()? {
                    let from = from?;
                    needed.insert((from.get_process()?.to_string()?, from.get_export()?.to_string()?));
                }
            }
        }
        self.0.retain(|key, _| needed.contains(key));
        Ok(())
    }

    /// Gives every export of `process` a new endpoint. Holders of the old one get `Disconnected`.
    pub(crate) fn renew(&mut self, process: &str) -> capnp::Result<()> {
        for ((server, _), endpoint) in &mut self.0 {
            if server == process {
                *endpoint = Rc::new(Endpoint::new()?);
            }
        }
        Ok(())
    }

    fn get(&self, process: &str, export: &str) -> capnp::Result<&Endpoint> {
        self.0
            .get(&(process.to_owned(), export.to_owned()))
            .map(Rc::as_ref)
            .ok_or_else(|| capnp::Error::failed(format!("{process} has no export \"{export}\"")))
    }
}

/// Starts `entry` with exactly its grants.
pub(crate) async fn start(
    entry: process_entry::Reader<'_>,
    setup: &Setup,
    endpoints: &Endpoints,
) -> capnp::Result<process::Client> {
    let Setup { root, package, singletons, .. } = setup;
    let name = entry.get_name()?.to_str()?;
    let mut grants = Vec::new();
    for grant in entry.get_grants()? {
        grants.push(granted(name, grant, setup, endpoints).await?);
    }
    for export in entry.get_exports()? {
        let export = export?.to_str()?;
        grants.push(Passed {
            name: export.to_owned(),
            client: Client::new(endpoints.get(name, export)?.receiver().into_client_hook()),
            interface: endpoint::Client::TYPE_ID,
            rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
        });
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
    capos_package::start(&singletons.spawner, package, *root, program).await
}

/// The capability behind one grant of the process `holder`.
async fn granted(
    holder: &str,
    grant: grant_entry::Reader<'_>,
    setup: &Setup,
    endpoints: &Endpoints,
) -> capnp::Result<Passed> {
    let Setup { root, package, singletons, console, volumes, .. } = setup;
    let name = grant.get_name()?.to_str()?;
    match grant.get_source().which()? {
        grant_entry::source::WellKnown(known) => match known? {
            WellKnownGrant::Console => Ok(console.passed(name)),
            known => singletons.passed(known, name),
        },
        grant_entry::source::Export(from) => {
            let from = from?;
            let endpoint = endpoints.get(from.get_process()?.to_str()?, from.get_export()?.to_str()?)?;
            let (client, interface) = (endpoint.mint(0)?, grant.get_interface_id());
            Ok(Passed { name: name.to_owned(), client, interface, rights: Rights::CALL | Rights::TRANSFER })
        }
        grant_entry::source::Directory(wanted) => volumes.namespace(name, wanted?).await,
        grant_entry::source::Disk(index) => {
            disks::granted(holder, name, index, *root, package, singletons).await
        }
        grant_entry::source::Device(wanted) => devices::granted(&singletons.pci_bus, name, wanted?).await,
        grant_entry::source::Held(held) => Err(capnp::Error::failed(format!(
            "the grant \"{name}\": only the host of an instance can hold \"{}\" for it",
            held?.to_str()?
        ))),
    }
}
