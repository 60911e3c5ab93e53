//! The endpoints behind the exports of processes.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Rights;
use capos_package::Passed;
use capos_rt::{Endpoint, Minter};
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::manifest_capnp::grant_entry;

use crate::entries::Entries;

type Name = (String, String);

/// The exports of all processes, by process and name.
pub(crate) struct Exports {
    all: RefCell<BTreeMap<Name, Export>>,
    /// The processes that had an export granted.
    used: RefCell<BTreeSet<String>>,
}

struct Export {
    /// Kept until the process holds it: calls fail once nobody can receive.
    endpoint: Option<Endpoint>,
    minter: Minter,
    /// The number of times that it was replaced.
    renewals: u32,
    /// Whether a start of the process was attempted.
    has_started: bool,
}

impl Export {
    fn new() -> capnp::Result<Self> {
        let endpoint = Endpoint::new()?;
        let minter = endpoint.minter()?;
        Ok(Self { endpoint: Some(endpoint), minter, renewals: 0, has_started: false })
    }
}

impl Exports {
    /// Creates an endpoint for each export of the manifest.
    pub(crate) fn create(entries: &Entries) -> capnp::Result<Self> {
        let mut all = BTreeMap::new();
        for entry in &entries.list {
            for export in entry.reader.get_exports()? {
                all.insert((entry.name.to_owned(), export?.to_string()?), Export::new()?);
            }
        }
        Ok(Self { all: RefCell::new(all), used: RefCell::default() })
    }

    /// Drops the exports that neither restarts nor the end of the run need: servers can notice the loss of all clients only if
    /// this process keeps no capability for their endpoints.
    pub(crate) fn keep_for(&self, entries: &Entries) {
        let mut needed = BTreeSet::new();
        for entry in entries.restartable() {
            // Errors were reported when the processes were started.
            for export in entry.reader.get_exports().into_iter().flatten().flatten() {
                needed.insert((entry.name.to_owned(), export.to_string().unwrap_or_default()));
            }
            for grant in entry.reader.get_grants().into_iter().flatten() {
                if let Ok(grant_entry::source::Export(Ok(from))) = grant.get_source().which() {
                    let text = |text: capnp::Result<capnp::text::Reader<'_>>| {
                        text.ok().and_then(|text| text.to_string().ok()).unwrap_or_default()
                    };
                    needed.insert((text(from.get_process()), text(from.get_export())));
                }
            }
        }
        for entry in &entries.list {
            let flush = entry.flush.iter().map(|flush| (entry.name.to_owned(), flush.export.to_owned()));
            needed.extend(flush);
        }
        self.all.borrow_mut().retain(|name, _| needed.contains(name));
    }

    /// Gives every export of `process` a new endpoint. Holders of the old one get `Disconnected`.
    pub(crate) fn renew(&self, process: &str) -> capnp::Result<()> {
        for ((server, _), export) in self.all.borrow_mut().iter_mut() {
            if server == process {
                let renewals = export.renewals.wrapping_add(1);
                *export = Export { renewals, has_started: export.has_started, ..Export::new()? };
            }
        }
        Ok(())
    }

    /// The receiving side of an export, as a grant of the process that serves it.
    pub(crate) fn receiver(&self, process: &str, export: &str) -> capnp::Result<Passed> {
        self.with(process, export, |found| {
            let endpoint =
                found.endpoint.as_ref().ok_or_else(|| capnp::Error::failed("served already".into()))?;
            Ok(Passed {
                name: export.to_owned(),
                client: Client::new(endpoint.receiver().into_client_hook()),
                interface: endpoint::Client::TYPE_ID,
                rights: Rights::RECEIVE | Rights::MINT | Rights::CALL | Rights::TRANSFER,
            })
        })
    }

    /// Drops this process's receiving sides of the exports of `process`, which now holds them or could not be started.
    pub(crate) fn hand_over(&self, process: &str) {
        for ((server, _), export) in self.all.borrow_mut().iter_mut() {
            if server == process {
                export.endpoint = None;
                export.has_started = true;
            }
        }
    }

    /// A client of an export, and the number of its renewals.
    pub(crate) fn client<C: FromClientHook>(&self, process: &str, export: &str) -> capnp::Result<(C, u32)> {
        self.with(process, export, |export| Ok((export.minter.mint(0)?, export.renewals)))
    }

    /// Whether a start of the export's process was attempted.
    pub(crate) fn has_started(&self, process: &str, export: &str) -> bool {
        self.with(process, export, |export| Ok(export.has_started)).unwrap_or(false)
    }

    /// The number of renewals of an export.
    pub(crate) fn renewals(&self, process: &str, export: &str) -> Option<u32> {
        self.with(process, export, |export| Ok(export.renewals)).ok()
    }

    /// Records that an export of `process` was granted.
    pub(crate) fn set_used(&self, process: &str) {
        self.used.borrow_mut().insert(process.to_owned());
    }

    pub(crate) fn is_used(&self, process: &str) -> bool {
        self.used.borrow().contains(process)
    }

    fn with<T>(
        &self,
        process: &str,
        export: &str,
        work: impl FnOnce(&Export) -> capnp::Result<T>,
    ) -> capnp::Result<T> {
        let all = self.all.borrow();
        let found = all.get(&(process.to_owned(), export.to_owned()));
        work(found.ok_or_else(|| capnp::Error::failed(format!("{process} has no export \"{export}\"")))?)
    }
}
