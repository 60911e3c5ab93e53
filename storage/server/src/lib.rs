//! Serves a volume: the objects behind `schema/file.capnp`, over `capos-volume`.
//!
//! [`serve`] turns a [`Volume`] into a `Volume` capability; namespaces and files come from that. Everything runs on
//! the thread that made it, and every operation is done when its method returns.
//!
//! Messages are hostile: what they name is looked up, what they measure is cut to a bound, and how many objects one
//! namespace's holders have open at once is limited ([`Options`]). An object is gone, and its inode let go, when
//! its last client is dropped.

mod convert;
mod file;
mod namespace;
mod shared;
mod volume;

use std::future::poll_fn;
use std::rc::Rc;

use capos_schema::file_capnp;
use capos_volume::{Result, Volume};

pub use file::OpenFile;
pub use namespace::Directory;

use shared::Shared;
use volume::Root;

/// How many objects may be open at once. More is `tooManyFiles`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Through one namespace that `Volume.namespace` gave out, and everything opened through it.
    pub objects_per_grant: u32,
    /// In all.
    pub objects: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { objects_per_grant: 16_384, objects: 32_768 }
    }
}

/// How objects become clients.
#[derive(Clone, Copy, Debug)]
pub struct Clients {
    /// A client of an open file.
    pub file: fn(Rc<OpenFile>) -> file_capnp::file::Client,
    /// A client of a directory. Its hook must have the brand 0, and as its pointer the address behind the `Rc`, as
    /// that of `capnp_rpc::new_client` has: so a directory is known again when it comes back in a message.
    pub directory: fn(Rc<Directory>) -> file_capnp::namespace::Client,
}

impl Default for Clients {
    /// Clients within this process.
    fn default() -> Self {
        Self { file: capnp_rpc::new_client_from_rc, directory: capnp_rpc::new_client_from_rc }
    }
}

/// The options of a service, besides the volume itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How much clients may have open.
    pub limits: Limits,
    /// How objects become clients.
    pub clients: Clients,
    /// Called the first time that something finds no room on the volume.
    pub when_full: Option<fn(Full)>,
}

/// The kind of room that a full volume lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// Content of files.
    Data,
    /// Names and attributes of files, which lie in an area of their own.
    Names,
}

/// Opens the volume again after its device failed.
pub type Reopen = Box<dyn Fn() -> Result<Volume>>;

/// A volume that is being served.
#[derive(Clone)]
pub struct FileService(Rc<Shared>);

impl FileService {
    /// Serves `volume`. When its device has failed in a way that ends its session, `reopen` is asked for a new one the
    /// next time that somebody asks for a namespace; what was open before stays broken, because of what its holders
    /// did some may be lost.
    pub fn new(volume: Volume, options: Options, reopen: Option<Reopen>) -> Self {
        Self(Rc::new(Shared::new(volume, options, reopen)))
    }

    /// A client with every right.
    pub fn client(&self) -> file_capnp::volume::Client {
        capnp_rpc::new_client(Root::new(self.0.clone()))
    }

    /// Makes everything done so far durable. Costs nothing when there is nothing to do.
    pub fn sync(&self) -> Result<()> {
        self.0.sync()
    }

    /// Returns when somebody has used the volume since the last [`sync`](Self::sync), so that there may be something to sync.
    pub async fn used(&self) {
        poll_fn(|context| self.0.poll_used(context)).await;
    }
}

/// Serves `volume` to clients in this process.
pub fn serve(volume: Volume) -> file_capnp::volume::Client {
    FileService::new(volume, Options::default(), None).client()
}
