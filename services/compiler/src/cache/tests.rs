//! The cache, on volumes in memory.

mod damage;
mod device;
mod keys;
mod order;
mod space;
mod trouble;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use capnp::capability::FromClientHook as _;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{namespace, object};
use capos_volume::{BlockDevice, FormatOptions, MemDevice, Options as VolumeOptions, Volume};
use futures::executor::block_on;

use super::{Cache, Directories};
use crate::counters::Counters;
use crate::name::{Name, Names};
use crate::options::Options;
use crate::settings::Settings;

/// An empty volume.
fn device(bytes: u64) -> Arc<dyn BlockDevice> {
    let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(bytes));
    Volume::format(&device, FormatOptions { id: 7, ..FormatOptions::default() }, 0).unwrap();
    device
}

/// A directory of the volume on `device`, created if it is not there. Times count operations.
fn folder(device: &Arc<dyn BlockDevice>, path: &str) -> namespace::Client {
    try_folder(device, path).unwrap()
}

/// The same, of a device that may fail.
fn try_folder(device: &Arc<dyn BlockDevice>, path: &str) -> Option<namespace::Client> {
    let time = AtomicU64::new(1);
    let clock = Arc::new(move || time.fetch_add(1, Ordering::Relaxed));
    let options = VolumeOptions { clock, ..VolumeOptions::default() };
    let volume = capos_fs::serve(Volume::open(device.clone(), options).ok()?);
    let mut request = volume.namespace_request();
    request.get().set_path(path.as_bytes());
    request.get().set_create(true);
    let mut rights = request.get().init_rights();
    rights.set_read(true);
    rights.set_write(true);
    rights.set_modify(true);
    let response = block_on(request.send().promise).ok()?;
    let results = response.get().ok()?;
    (results.get_error() == Ok(Errno::Success)).then(|| results.get_directory().ok())?
}

/// A cache, and the directory that it is in.
struct Opened {
    cache: Cache,
    folder: namespace::Client,
    counters: Rc<Counters>,
}

const MOST_BYTES: u64 = 1 << 20;

fn open(folder: namespace::Client) -> Opened {
    open_with(folder, None, MOST_BYTES, [1; 32])
}

fn open_with(
    folder: namespace::Client,
    key: Option<namespace::Client>,
    most: u64,
    random: [u8; 32],
) -> Opened {
    try_open(folder, key, most, random).unwrap()
}

/// The same, on a volume that may fail.
fn try_open(
    folder: namespace::Client,
    key: Option<namespace::Client>,
    most: u64,
    random: [u8; 32],
) -> Option<Opened> {
    let counters = Rc::<Counters>::default();
    let options = Options { cache_bytes: most, ..Options::default() };
    let directories = Directories { cache: folder.clone(), key };
    let cache = block_on(Cache::open(directories, &options, random, counters.clone()))?;
    Some(Opened { cache, folder, counters })
}

impl Opened {
    fn name(&self, module: &[u8]) -> Name {
        Names::new(self.cache.names_key(), "").of(module, Settings::default())
    }

    fn store(&self, module: &[u8], code: &[u8]) {
        block_on(self.cache.store(&self.name(module), code));
    }

    fn find(&self, module: &[u8]) -> Option<Vec<u8>> {
        self.find_name(&self.name(module))
    }

    fn find_name(&self, name: &Name) -> Option<Vec<u8>> {
        let memory = Memory::default();
        let length = block_on(self.cache.find(name, &memory))?;
        let bytes = memory.0.into_inner();
        assert_eq!(bytes.len() as u64, length);
        Some(bytes)
    }

    fn rejected(&self) -> u64 {
        self.counters.rejected_entries.get()
    }

    fn files(&self) -> Vec<String> {
        let mut files = block_on(self.cache.folder.files()).unwrap();
        files.sort();
        files
    }
}

/// The volume is synced, as at the end of a run, unless it fails.
impl Drop for Opened {
    fn drop(&mut self) {
        let object = object::Client::new(self.folder.as_client_hook().add_ref());
        block_on(object.sync_request().send().promise).ok();
    }
}

/// Memory for code.
#[derive(Default)]
struct Memory(RefCell<Vec<u8>>);

impl super::Space for Memory {
    async fn create(&self, length: u64) -> Result<(), String> {
        self.0.borrow_mut().resize(usize::try_from(length).map_err(|error| error.to_string())?, 0);
        Ok(())
    }

    fn write(&self, offset: usize, data: &[u8]) -> bool {
        let mut bytes = self.0.borrow_mut();
        let Some(to) = bytes.get_mut(offset..offset + data.len()) else { return false };
        to.copy_from_slice(data);
        true
    }
}

/// Bytes that differ from place to place.
fn code(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8 ^ seed).collect()
}

#[test]
fn what_is_stored_is_found_again() {
    let device = device(16 << 20);
    let opened = open(folder(&device, "/cache"));
    assert_eq!(opened.find(b"one"), None);
    for (number, length) in (0..).zip([1, 47, 4096, 57_343, 57_344, 57_345, 300_000]) {
        let (module, code) = ([number], code(length, number));
        opened.store(&module, &code);
        assert!(opened.find(&module) == Some(code), "{number}");
    }
    assert_eq!(opened.cache.entries(), 7);
    drop(opened);
    let opened = open(folder(&device, "/cache"));
    assert_eq!((opened.cache.entries(), opened.rejected()), (7, 0));
    assert!(opened.find(&[6]) == Some(code(300_000, 6)));
    opened.store(&[6], b"other");
    assert_eq!(opened.find(&[6]), Some(b"other".to_vec()));
    assert_eq!(opened.cache.entries(), 7);
    assert_eq!(opened.files().len(), 8);
}
