//! The entries of the manifest, and how they depend on each other.

use capos_restart::{Restart, start_order};
use capos_schema::manifest_capnp::{grant_entry, manifest, process_entry};

/// A process of the manifest. Fields that only its start needs stay in `reader`.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) reader: process_entry::Reader<'static>,
    pub(crate) restart: Restart,
    group: &'static str,
    is_service: bool,
    pub(crate) flush: Option<Flush>,
}

/// The call that makes a process finish its work.
pub(crate) struct Flush {
    pub(crate) export: &'static str,
    /// The time limit; `None` is unlimited.
    pub(crate) timeout_ns: Option<u64>,
}

/// The processes of the manifest, by number.
pub(crate) struct Entries {
    pub(crate) list: Vec<Entry>,
    /// The numbers in start order: each after those whose exports it is granted.
    pub(crate) order: Vec<usize>,
    /// The process whose end ends the run.
    ends_run: Option<usize>,
}

impl Entries {
    pub(crate) fn read(manifest: manifest::Reader<'static>) -> capnp::Result<Self> {
        let mut list = Vec::new();
        for entry in manifest.get_processes()? {
            list.push(Entry::read(entry)?);
        }
        let mut needs = Vec::new();
        for entry in &list {
            let mut of_entry = Vec::new();
            for grant in entry.reader.get_grants()? {
                if let grant_entry::source::Export(from) = grant.get_source().which()? {
                    let from = from?.get_process()?.to_str()?;
                    of_entry.extend(list.iter().position(|other| other.name == from));
                }
            }
            needs.push(of_entry);
        }
        // "host/instance" is decided by the host process, which ends with that instance's status.
        let exit_process = manifest.get_exit_from()?.to_str()?.split('/').next().unwrap_or_default();
        let ends_run = list.iter().position(|entry| !exit_process.is_empty() && entry.name == exit_process);
        Ok(Self { list, order: start_order(&needs), ends_run })
    }

    /// The number of the process `name`.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|entry| entry.name == name)
    }

    /// The groups, each in start order.
    pub(crate) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
        for &index in &self.order {
            let name = self.list.get(index).map_or("", |entry| entry.group);
            match groups.iter_mut().find(|(group, _)| !name.is_empty() && *group == name) {
                Some((_, members)) => members.push(index),
                None => groups.push((name, vec![index])),
            }
        }
        groups.into_iter().map(|(_, members)| members).collect()
    }

    /// The entries that the run waits for, in manifest order.
    pub(crate) fn awaited(&self) -> Vec<usize> {
        match self.ends_run {
            Some(index) => vec![index],
            None => {
                (0..).zip(&self.list).filter(|(_, entry)| !entry.is_service).map(|(index, _)| index).collect()
            }
        }
    }

    /// The entries that may be restarted, alone or with others of their group.
    pub(crate) fn restartable(&self) -> impl Iterator<Item = &Entry> {
        let may = |entry: &Entry| entry.restart != Restart::Never;
        self.list.iter().filter(move |entry| {
            let mut group =
                self.list.iter().filter(|other| !other.group.is_empty() && other.group == entry.group);
            may(entry) || group.any(may)
        })
    }
}

impl Entry {
    fn read(reader: process_entry::Reader<'static>) -> capnp::Result<Self> {
        let flush = reader.get_flush()?;
        let export = flush.get_export()?.to_str()?;
        let timeout_ns = Some(flush.get_timeout_nanoseconds()).filter(|timeout| *timeout != 0);
        Ok(Self {
            name: reader.get_name()?.to_str()?,
            reader,
            restart: Restart::read(reader.get_restart()?)?,
            group: reader.get_group()?.to_str()?,
            is_service: reader.get_is_service(),
            flush: (!export.is_empty()).then_some(Flush { export, timeout_ns }),
        })
    }
}
