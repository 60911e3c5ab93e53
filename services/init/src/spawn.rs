//! Starting one process of the manifest.

use crate::disks;
use crate::restart::Setup;
use crate::singletons::Singletons;
use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Passed, Program};
use capos_rt::Endpoint;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::{grant_entry, manifest, process_entry};
use capos_schema::process_capnp::process;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The endpoint of each export, by process and export name.
#[derive(Clone)]
pub(crate) struct Endpoints(BTreeMap<(String, String), Rc<Endpoint>>);

impl Endpoints {
    /// Makes an endpoint for each export that the manifest names.
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

    /// Forgets all that starting the processes of `entries` again does not need. Servers see their callers go when
    /// this process's own copies do not keep their endpoints alive.
    pub(crate) fn keep_for(&mut self, entries: &[process_entry::Reader<'_>]) -> capnp::Result<()> {
        let mut needed = BTreeSet::new();
        for entry in entries {
            for export in entry.get_exports()? {
                needed.insert((entry.get_name()?.to_string()?, export?.to_string()?));
            }
            for grant in entry.get_grants()? {
                if let grant_entry::Export(source) = grant.which()? {
                    let source = source?;
                    needed.insert((source.get_process()?.to_string()?, source.get_export()?.to_string()?));
                }
            }
        }
        self.0.retain(|key, _| needed.contains(key));
        Ok(())
    }

    /// Gives every export of `process` a new endpoint. Who was granted the old one finds it closed.
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
            .ok_or_else(|| capnp::Error::failed(format!("{process} exports no \"{export}\"")))
    }
}

/// Starts `entry` with exactly the grants that it lists.
pub(crate) async fn start(
    entry: process_entry::Reader<'_>,
    setup: &Setup,
    endpoints: &Endpoints,
) -> capnp::Result<process::Client> {
    let Setup { root, package, singletons, console, volumes, .. } = setup;
    let name = entry.get_name()?.to_str()?;
    let mut grants = Vec::new();
    for grant in entry.get_grants()? {
        grants.push(match grant.which()? {
            grant_entry::Disk(index) => {
                disks::granted(name, grant.get_name()?.to_str()?, index, *root, package, singletons).await?
            }
            grant_entry::Console(()) => console.passed(grant.get_name()?.to_str()?),
            grant_entry::Namespace(wanted) => volumes.namespace(grant.get_name()?.to_str()?, wanted?).await?,
            _ => granted(grant, singletons, endpoints)?,
        });
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

/// The capability behind one grant.
fn granted(
    grant: grant_entry::Reader<'_>,
    singletons: &Singletons,
    endpoints: &Endpoints,
) -> capnp::Result<Passed> {
    if let Some(passed) = singletons.get(grant)? {
        return Ok(passed);
    }
    let grant_entry::Export(source) = grant.which()? else {
        return Err(capnp::Error::failed("a grant of unknown kind".into()));
    };
    let source = source?;
    let endpoint = endpoints.get(source.get_process()?.to_str()?, source.get_export()?.to_str()?)?;
    let client: Client = endpoint.mint(0)?;
    let rights = Rights::CALL | Rights::TRANSFER;
    // The manifest does not say which interface an export serves.
    Ok(Passed { name: grant.get_name()?.to_string()?, client, interface: 0, rights })
}
