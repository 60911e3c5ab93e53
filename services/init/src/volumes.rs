//! The processes that serve volumes, and the namespaces that other processes are granted of them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::{Package, Passed, Program};
use capos_rt::{Endpoint, spawn_local, with_deadline};
use capos_schema::console_capnp::console;
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{namespace, volume};
use capos_schema::manifest_capnp::{boot_package, manifest, namespace_ref, volume_entry};

use crate::singletons::Singletons;
use crate::{disks, log};

/// The program that serves a volume, and the export that it does it under.
const SERVER: &str = "fs";
const EXPORT: &str = "volume";

/// How long the last sync may take.
const LAST_SYNC: Duration = Duration::from_secs(30);

/// The volumes of the manifest, by name.
pub(crate) struct Volumes(BTreeMap<String, volume::Client>);

impl Volumes {
    /// Starts a server for each volume.
    pub(crate) async fn start(
        manifest: manifest::Reader<'_>,
        root: boot_package::Reader<'_>,
        package: &Package,
        singletons: &Singletons,
    ) -> capnp::Result<Self> {
        let mut volumes = BTreeMap::new();
        for entry in manifest.get_volumes()? {
            let name = entry.get_name()?.to_string()?;
            let volume = start(entry, root, package, singletons).await.map_err(|error| {
                capnp::Error::failed(format!("volume {name}: its server did not start: {error}"))
            })?;
            volumes.insert(name, volume);
        }
        Ok(Self(volumes))
    }

    /// The directory that a grant names, as a capability for its holder.
    pub(crate) async fn namespace(
        &self,
        name: &str,
        wanted: namespace_ref::Reader<'_>,
    ) -> capnp::Result<Passed> {
        let volume_name = wanted.get_volume()?.to_str()?;
        let path = wanted.get_path()?.to_str()?;
        let directory = self.resolve(volume_name, path, wanted).await.map_err(|error| {
            capnp::Error::failed(format!(
                "the grant \"{name}\": directory \"{path}\" of volume {volume_name}: {}",
                error.extra
            ))
        })?;
        Ok(Passed {
            name: name.to_owned(),
            client: Client::new(directory.into_client_hook()),
            interface: namespace::Client::TYPE_ID,
            rights: Rights::CALL | Rights::TRANSFER,
        })
    }

    async fn resolve(
        &self,
        volume: &str,
        path: &str,
        wanted: namespace_ref::Reader<'_>,
    ) -> capnp::Result<namespace::Client> {
        let volume = self.0.get(volume).ok_or_else(|| capnp::Error::failed("no such volume".into()))?;
        let mut request = volume.namespace_request();
        request.get().set_path(path.as_bytes());
        request.get().set_rights(wanted.get_rights()?)?;
        request.get().set_create(wanted.get_create());
        request.get().set_quota(wanted.get_quota()?)?;
        let response = request.send().promise.await.map_err(|error| match error.kind {
            capnp::ErrorKind::Disconnected => {
                capnp::Error::failed("the volume is not being served; its server said why".into())
            }
            _ => error,
        })?;
        match response.get()?.get_error()? {
            Errno::Success => response.get()?.get_directory(),
            error => Err(capnp::Error::failed(reason(error))),
        }
    }

    /// Makes everything that was written durable. Returns false, after saying so in the log, if that cannot be done.
    pub(crate) async fn sync(&self, log_to: &console::Client) -> bool {
        let mut all_done = true;
        for (name, volume) in &self.0 {
            let synced =
                with_deadline(volume.sync_request().send().promise, Instant::now() + LAST_SYNC).await;
            let why = match synced {
                Ok(Ok(response)) => match response.get().and_then(|results| Ok(results.get_error()?)) {
                    Ok(Errno::Success) => continue,
                    Ok(error) => reason(error),
                    Err(error) => error.to_string(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(elapsed) => elapsed.to_string(),
            };
            let line = format!("init: volume {name}: what was not synced before may be lost: {why}");
            log(log_to, &line).await;
            all_done = false;
        }
        all_done
    }
}

/// An error of a volume, in words, with what its reader can do about it.
fn reason(error: Errno) -> String {
    match error {
        Errno::NoEntry => "it is not there; `create: true` in the manifest has it made".into(),
        Errno::NotDirectory => "it, or a part of its path, is no directory".into(),
        Errno::ReadOnly => "it is not there, and the volume is read-only".into(),
        Errno::NotPermitted => "it lies outside the volume".into(),
        Errno::NoSpace => "the volume is full".into(),
        Errno::Io => {
            "the volume's device failed, or what it holds is damaged; `capos volume check` says more".into()
        }
        other => format!("{other:?}"),
    }
}

/// Starts the server of one volume.
async fn start(
    entry: volume_entry::Reader<'_>,
    root: boot_package::Reader<'_>,
    package: &Package,
    singletons: &Singletons,
) -> capnp::Result<volume::Client> {
    let name = entry.get_name()?.to_str()?;
    let mut grants = singletons.of_server();
    let arguments = match entry.which()? {
        volume_entry::Ram(bytes) => vec!["ram".to_owned(), bytes.to_string()],
        volume_entry::Packed(image) => {
            grants.push(singletons.boot_package_to_read());
            vec!["packed".to_owned(), image?.to_string()?]
        }
        volume_entry::Disk(index) => {
            let holder = format!("volume {name}");
            grants.push(disks::granted(&holder, "disk", index, root, package, singletons).await?);
            let mode = entry.get_read_only().then(|| "read-only".to_owned());
            std::iter::once("disk".to_owned()).chain(mode).collect()
        }
    };
    let endpoint = Endpoint::new()?;
    grants.push(Passed {
        name: EXPORT.to_owned(),
        client: Client::new(endpoint.receiver().into_client_hook()),
        interface: endpoint::Client::TYPE_ID,
        rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
    });
    let program = Program {
        name,
        binary: SERVER,
        arguments: arguments.iter().map(String::as_str).collect(),
        environment: Vec::new(),
        grants,
        limits: entry.get_limits()?,
        executable: false,
    };
    let process = capos_package::start(&singletons.spawner, package, root, program).await?;
    let (name, log_to) = (format!("volume {name}"), singletons.log.clone());
    // Its end is no end of the run, and no failure of it unless somebody needed the volume.
    spawn_local(async move { crate::wait(name, process, log_to, false).await });
    endpoint.mint(0)
}
