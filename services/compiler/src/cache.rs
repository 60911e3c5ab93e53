//! The cache: the code of earlier runs, in a directory of a volume.
//!
//! An entry is a file with the name of its code ([`Name`]), which only holders of the cache's key can compute, and with a
//! code of authenticity over name, length and contents. So entries that the service did not write itself, for this
//! module, are never used. Whatever is wrong with an entry, it is removed and the module is compiled.

mod entry;
mod folder;
mod secret;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::namespace;

use crate::counters::Counters;
use crate::name::Name;
use crate::options::Options;
use folder::{File, Folder};
use secret::Secret;

/// Prefix of the names of files that are being written.
const UNFINISHED: &str = "new-";
/// How many entries are removed at most to make room on a volume that is fuller than the cache's limit allows.
const MOST_REMOVED: usize = 16;

/// Memory into which an entry is read.
pub trait Space {
    /// Creates it. Called once.
    ///
    /// # Errors
    /// A reason for the log.
    fn create(&self, length: u64) -> impl Future<Output = Result<(), String>>;

    /// Writes to it; false if `data` does not fit.
    fn write(&self, offset: usize, data: &[u8]) -> bool;
}

/// The directories of the cache.
pub struct Directories {
    /// The entries.
    pub cache: namespace::Client,
    /// The key, if not beside the entries.
    pub key: Option<namespace::Client>,
}

impl Directories {
    /// Those granted as "cache" and "key"; `None` without a cache.
    pub fn from_grants() -> Option<Self> {
        let cache = capos_rt::grant("cache").ok()?;
        Some(Self { cache, key: capos_rt::grant("key").ok() })
    }
}

/// The entries of a directory.
pub struct Cache {
    folder: Folder,
    secret: Secret,
    most_bytes: u64,
    counters: Rc<Counters>,
    entries: RefCell<BTreeMap<Name, Entry>>,
    bytes: Cell<u64>,
    /// Counts uses, for the order of the entries.
    uses: Cell<u64>,
    /// The last error that was logged; `None` after a success.
    trouble: Cell<Option<Errno>>,
}

#[derive(Clone, Copy)]
struct Entry {
    bytes: u64,
    /// Greater for entries that were used later.
    used: u64,
}

impl Cache {
    /// Opens the cache. `random` is the key of a new one. Returns `None`, with a line in the log, if the directory cannot be
    /// used.
    pub async fn open(
        directories: Directories,
        options: &Options,
        random: [u8; 32],
        counters: Rc<Counters>,
    ) -> Option<Self> {
        let folder = Folder::new(directories.cache);
        let keys = directories.key.map(Folder::new);
        let opened = Self::load(&folder, keys.as_ref(), random).await;
        let (secret, entries, removed) = opened
            .inspect_err(|error| eprintln!("compiler: the cache cannot be used, so there is none: {error:?}"))
            .ok()?;
        counters.rejected_entries.set(removed);
        let bytes = entries.values().map(|entry| entry.bytes).sum();
        let uses = entries.len() as u64;
        let cache = Self {
            folder,
            secret,
            most_bytes: options.cache_bytes,
            counters,
            entries: RefCell::new(entries),
            bytes: Cell::new(bytes),
            uses: Cell::new(uses),
            trouble: Cell::new(None),
        };
        cache.make_room(0).await;
        Some(cache)
    }

    /// The key, the entries, and the number of entries that were removed because they cannot be used.
    async fn load(
        folder: &Folder,
        keys: Option<&Folder>,
        random: [u8; 32],
    ) -> Result<(Secret, BTreeMap<Name, Entry>, u64), Errno> {
        let (secret, is_new) = Secret::open(keys.unwrap_or(folder), random).await?;
        let mut found = Vec::new();
        let mut removed = 0;
        for file in folder.files().await? {
            if file == secret::FILE && keys.is_none() {
                continue;
            }
            let name = Name::parse(&file).filter(|_| !is_new);
            let attributes = match name {
                Some(name) => folder.attributes(&file).await.map(|(bytes, used)| (name, bytes, used)),
                None => Err(Errno::Stale),
            };
            match attributes {
                Ok(entry) => found.push(entry),
                Err(_) => {
                    // What was not finished was never an entry.
                    removed += u64::from(!file.starts_with(UNFINISHED));
                    folder.remove(&file).await.ok();
                }
            }
        }
        found.sort_by_key(|&(_, _, used)| used);
        let entries = (0..).zip(found).map(|(used, (name, bytes, _))| (name, Entry { bytes, used }));
        Ok((secret, entries.collect(), removed))
    }

    /// The key for the names of code.
    pub fn names_key(&self) -> [u8; 32] {
        self.secret.names()
    }

    /// Number of entries.
    pub fn entries(&self) -> u64 {
        self.entries.borrow().len() as u64
    }

    /// Size of all entries.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Reads the entry `name` into `space`. Returns its length; `None` if there is none that can be used.
    pub async fn find(&self, name: &Name, space: &impl Space) -> Option<u64> {
        if !self.entries.borrow().contains_key(name) {
            return None;
        }
        let file = name.to_string();
        let read = async {
            let opened = self.folder.open(&file).await?;
            let length = entry::read(&opened, &self.secret.seal(name), space).await?;
            Ok::<_, Unusable>((opened, length))
        };
        match read.await {
            Ok((opened, length)) => {
                self.touch(name);
                opened.set_used().await;
                Some(length)
            }
            Err(Unusable::Rejected) => {
                Counters::add(&self.counters.rejected_entries);
                eprintln!(
                    "compiler: the cache's entry {} is not as it was written, and is removed",
                    name.short()
                );
                self.drop_entry(name).await;
                None
            }
            Err(Unusable::NoSpace(reason)) => {
                eprintln!("compiler: the cache's entry {} is not read: {reason}", name.short());
                None
            }
            Err(Unusable::Volume(Errno::NoEntry)) => {
                self.forget(name);
                None
            }
            // A damaged block is such an error, too.
            Err(Unusable::Volume(error)) => {
                self.complain(error, "reading");
                if error == Errno::Io {
                    Counters::add(&self.counters.rejected_entries);
                    self.drop_entry(name).await;
                }
                None
            }
        }
    }

    /// Writes the entry `name`. Failures are logged.
    pub async fn store(&self, name: &Name, contents: &[u8]) {
        let bytes = entry::file_bytes(contents);
        if bytes > self.most_bytes {
            return;
        }
        self.make_room(bytes).await;
        let mut tries = 0;
        let stored = loop {
            match self.write(name, contents).await {
                Err(Errno::NoSpace | Errno::Quota) if tries < MOST_REMOVED && self.remove_oldest().await => {
                    tries += 1
                }
                stored => break stored,
            }
        };
        match stored {
            Ok(()) => {
                self.trouble.set(None);
                self.forget(name);
                self.entries.borrow_mut().insert(*name, Entry { bytes, used: 0 });
                self.bytes.set(self.bytes.get() + bytes);
                self.touch(name);
            }
            Err(error) => self.complain(error, "writing"),
        }
    }

    /// Writes a file under another name, and renames it when it is durable. So a name never belongs to a part of an entry.
    async fn write(&self, name: &Name, contents: &[u8]) -> Result<(), Errno> {
        let unfinished = format!("{UNFINISHED}{}", self.next_use());
        let written = async {
            let file = self.folder.create(&unfinished).await?;
            entry::write(&file, &self.secret.seal(name), contents).await?;
            file.sync().await?;
            self.folder.rename(&unfinished, &name.to_string()).await
        };
        let written = written.await;
        if written.is_err() {
            self.folder.remove(&unfinished).await.ok();
        }
        written
    }

    fn next_use(&self) -> u64 {
        self.uses.set(self.uses.get() + 1);
        self.uses.get()
    }

    fn touch(&self, name: &Name) {
        let used = self.next_use();
        if let Some(entry) = self.entries.borrow_mut().get_mut(name) {
            entry.used = used;
        }
    }

    /// Removes the least recently used entries until `bytes` more fit.
    async fn make_room(&self, bytes: u64) {
        while self.bytes.get().saturating_add(bytes) > self.most_bytes && self.remove_oldest().await {}
    }

    /// Removes the least recently used entry; false if there is none.
    async fn remove_oldest(&self) -> bool {
        let oldest = self.entries.borrow().iter().min_by_key(|(_, entry)| entry.used).map(|(&name, _)| name);
        let Some(name) = oldest else { return false };
        Counters::add(&self.counters.evicted_entries);
        self.drop_entry(&name).await;
        true
    }

    async fn drop_entry(&self, name: &Name) {
        self.forget(name);
        if let Err(error) = self.folder.remove(&name.to_string()).await
            && error != Errno::NoEntry
        {
            self.complain(error, "removing");
        }
    }

    fn forget(&self, name: &Name) {
        if let Some(entry) = self.entries.borrow_mut().remove(name) {
            self.bytes.set(self.bytes.get() - entry.bytes);
        }
    }

    /// Counts an error, and logs it unless it is that of the operation before.
    fn complain(&self, error: Errno, action: &str) {
        Counters::add(&self.counters.cache_errors);
        if self.trouble.replace(Some(error)) != Some(error) {
            eprintln!("compiler: {action} an entry of the cache: {error:?}; modules are compiled without it");
        }
    }
}

/// Why an entry cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    /// It is not what the service wrote.
    Rejected,
    /// There is no memory for it.
    NoSpace(String),
    /// An error of the volume.
    Volume(Errno),
}

impl From<Errno> for Unusable {
    fn from(error: Errno) -> Self {
        Self::Volume(error)
    }
}
