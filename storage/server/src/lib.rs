//! Serves a volume: the objects of `schema/file.capnp`, over `capos-volume`.
//!
//! [`serve`] turns a [`Volume`] into a `Volume` capability; namespaces and files are obtained from that. Everything
//! runs on the thread that created it, and operations are executed one after the other. A device may let further calls
//! arrive while it is being waited for: reads of cached data are answered then, and all other calls wait for their turn.
//!
//! Messages are hostile: names are looked up, sizes are limited, and the number of open objects per namespace is
//! limited ([`Options`]). An object is freed, and its inode released, when its last client is dropped.

mod convert;
mod file;
mod grant;
mod namespace;
mod registry;
mod shared;
mod turns;
mod volume;

use std::future::poll_fn;
use std::rc::Rc;

use capos_schema::file_capnp;
use capos_volume::{Result, Volume};

pub use file::OpenFile;
pub use namespace::Directory;

use shared::{Shared, Turn};
use turns::Changes;
use volume::Root;

/// Limits of open objects. Beyond them opening is `tooManyFiles`.
#[derive(Clone, Copy, Debug)]
pub struct ObjectLimits {
    /// For each namespace returned by `Volume.namespace`, with everything opened through it.
    pub objects_per_grant: u32,
    /// In total.
    pub objects: u32,
}

impl Default for ObjectLimits {
    fn default() -> Self {
        Self { objects_per_grant: 16_384, objects: 32_768 }
    }
}

/// Functions that create clients of objects.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// A client of an open file.
    pub file: fn(Rc<OpenFile>) -> file_capnp::file::Client,
    /// Creates a client of a directory. Its hook must have the brand 0, and the address behind the `Rc` as its
    /// pointer, like that of `capnp_rpc::new_client`, so that a directory is recognised when it comes back in a
    /// message.
    pub directory: fn(Rc<Directory>) -> file_capnp::namespace::Client,
}

impl Default for Clients {
    /// Clients within this process.
    fn default() -> Self {
        Self { file: capnp_rpc::new_client_from_rc, directory: capnp_rpc::new_client_from_rc }
    }
}

/// The options of a service, other than the volume itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Limits of open objects.
    pub limits: ObjectLimits,
    /// Functions that create clients.
    pub clients: Clients,
    /// Called the first time that the volume is out of space.
    pub when_full: Option<fn(Full)>,
}

/// The kind of space that is exhausted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Content of files.
    Data,
    /// Names and attributes of files, which are in a separate area.
    Names,
}

/// Opens the volume again after its device failed.
pub type Reopen = Box<dyn Fn() -> Result<Volume>>;

/// A volume being served.
#[derive(Clone)]
pub struct FileService(Rc<Shared>);

impl FileService {
    /// Serves `volume`. When its device has failed in a way that ends its session, `reopen` is called for a new one
    /// the next time that a namespace is requested. Objects opened earlier stay broken, because some of their holders'
    /// changes may be lost.
    pub fn new(volume: Volume, options: Options, reopen: Option<Reopen>) -> Self {
        Self(Rc::new(Shared::new(volume, options, reopen)))
    }

    /// A client with every right.
    pub fn client(&self) -> file_capnp::volume::Client {
        capnp_rpc::new_client(Root::new(self.0.clone()))
    }

    /// Makes every completed operation durable. Free if nothing has changed.
    pub async fn sync(&self) -> Result<()> {
        let _turn = Turn::take(&self.0, Changes::Nothing).await;
        self.0.sync()
    }

    /// Returns when the volume has been used since the last [`sync`](Self::sync), so that there may be changes to sync.
    pub async fn used(&self) {
        poll_fn(|context| self.0.poll_used(context)).await;
    }
}

/// Serves `volume` to clients in this process.
pub fn serve(volume: Volume) -> file_capnp::volume::Client {
    FileService::new(volume, Options::default(), None).client()
}
