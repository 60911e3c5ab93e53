//! The volumes of the manifest, and the namespaces of them that are granted to processes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::{Endpoint, JoinHandle, spawn_local, with_deadline};
use capos_schema::console_capnp::console;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{namespace, volume};
use capos_schema::manifest_capnp::{manifest, namespace_ref};

use crate::log;
use crate::servers::{self, World};

/// Time limit of the last sync.
const LAST_SYNC: Duration = Duration::from_secs(30);

/// Time limit for logging the end of an unresponsive server.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A volume, independent of its current server.
pub(crate) struct Served {
    client: RefCell<volume::Client>,
    /// Number of restarts of its server.
    renewals: Cell<u32>,
    /// Whether a directory of it was granted.
    is_used: Cell<bool>,
    /// Logs the ends of its server; finished when none runs any more.
    watch: RefCell<Option<JoinHandle<()>>>,
}

impl Served {
    /// Redirects all further calls to a new endpoint, where they wait for a server.
    ///
    /// # Errors
    /// If no endpoint can be created.
    pub(crate) fn renew(&self) -> capnp::Result<Endpoint> {
        let endpoint = Endpoint::new()?;
        self.client.replace(endpoint.mint(0)?);
        self.renewals.set(self.renewals.get().wrapping_add(1));
        Ok(endpoint)
    }
}

/// The volumes of the manifest, by name.
pub(crate) struct Volumes(BTreeMap<String, Rc<Served>>);

impl Volumes {
    /// Starts a server for each volume, and has it watched.
    pub(crate) async fn start(manifest: manifest::Reader<'static>, world: World) -> capnp::Result<Self> {
        let mut volumes = BTreeMap::new();
        for entry in manifest.get_volumes()? {
            let name = entry.get_name()?.to_string()?;
            let endpoint = Endpoint::new()?;
            let running = servers::start(entry, &endpoint, world).await.map_err(|error| {
                capnp::Error::failed(format!("volume {name}: its server did not start: {error}"))
            })?;
            let client = RefCell::new(endpoint.mint(0)?);
            let served = Rc::new(Served {
                client,
                renewals: Cell::new(0),
                is_used: Cell::new(false),
                watch: RefCell::new(None),
            });
            served.watch.replace(Some(spawn_local(servers::watch(entry, world, running, served.clone()))));
            volumes.insert(name, served);
        }
        Ok(Self(volumes))
    }

    /// The directory named by a grant, as a capability for its holder.
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
        let served = self.0.get(volume).ok_or_else(|| capnp::Error::failed("no such volume".into()))?;
        let response = loop {
            let renewals = served.renewals.get();
            let mut request = served.client.borrow().namespace_request();
            request.get().set_path(path.as_bytes());
            request.get().set_rights(wanted.get_rights()?)?;
            request.get().set_create(wanted.get_create());
            request.get().set_quota(wanted.get_quota()?)?;
            match request.send().promise.await {
                Ok(response) => break response,
                Err(error) if error.kind != capnp::ErrorKind::Disconnected => return Err(error),
                // It is being restarted, or has been.
                Err(_) if served.renewals.get() != renewals => {}
                Err(_) => {
                    let reason = "the volume is not being served; its server said why";
                    return Err(capnp::Error::failed(reason.into()));
                }
            }
        };
        match response.get()?.get_error()? {
            Errno::Success => {
                served.is_used.set(true);
                response.get()?.get_directory()
            }
            error => Err(capnp::Error::failed(reason(error))),
        }
    }

    /// Makes all writes durable. If that fails, logs it and returns false.
    pub(crate) async fn sync(&self, log_to: &console::Client) -> bool {
        let mut all_done = true;
        for (name, served) in &self.0 {
            let request = served.client.borrow().sync_request();
            let synced = with_deadline(request.send().promise, Instant::now() + LAST_SYNC).await;
            let why = match synced {
                Ok(Ok(response)) => match response.get().and_then(|results| Ok(results.get_error()?)) {
                    Ok(Errno::Success) => continue,
                    Ok(error) => reason(error),
                    Err(error) => error.to_string(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(elapsed) => elapsed.to_string(),
            };
            // The server's end is the cause, and may not be logged yet.
            let watch = served.watch.take();
            if let Some(watch) = watch {
                with_deadline(watch, Instant::now() + LAST_WORDS).await.ok();
            }
            let what = match served.is_used.get() {
                true => "unsynced changes may be lost",
                false => "not served, and nothing was written to it",
            };
            let line = format!("init: volume {name}: {what}: {why}");
            log(log_to, &line).await;
            all_done = false;
        }
        all_done
    }
}

/// The message for an error of a volume, with the remedy.
fn reason(error: Errno) -> String {
    match error {
        Errno::NoEntry => "it does not exist; set `create: true` in the manifest to create it".into(),
        Errno::NotDirectory => "it, or a part of its path, is not a directory".into(),
        Errno::ReadOnly => "it does not exist, and the volume is read-only".into(),
        Errno::NotPermitted => "it is outside the volume".into(),
        Errno::NoSpace => "the volume is full".into(),
        Errno::Io => {
            "the volume's device failed, or its content is damaged; `capos volume check` gives details".into()
        }
        other => format!("{other:?}"),
    }
}
