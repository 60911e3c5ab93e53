//! Open directories: a Namespace capability.

use super::{
    Errno,
    file::{self, SetTime, ask},
    filestat::Attributes,
};
use capnp::capability::FromClientHook;
use capos_schema::file_capnp::{namespace, object};
use std::rc::Rc;

/// A directory that is open.
#[derive(Clone)]
pub(super) struct Directory {
    pub(super) client: namespace::Client,
    /// The path under which the program knows it, if it was there at the start.
    preopen: Option<Rc<str>>,
}

impl Directory {
    pub(super) fn new(client: namespace::Client) -> Self {
        Self { client, preopen: None }
    }

    pub(super) fn preopened(client: namespace::Client, path: Rc<str>) -> Self {
        Self { client, preopen: Some(path) }
    }

    pub(super) fn preopen(&self) -> Option<&str> {
        self.preopen.as_deref()
    }

    fn object(&self) -> object::Client {
        self.client.clone().cast_to()
    }

    pub(super) async fn stat(&self) -> Result<Attributes, Errno> {
        file::stat(&self.object()).await
    }

    pub(super) async fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<(), Errno> {
        file::set_times(&self.object(), accessed, modified).await
    }

    /// The attributes of what `..` shows.
    pub(super) async fn parent(&self) -> Result<Attributes, Errno> {
        ask!(self.client.parent_request(), |results| Attributes::read(results.get_attributes()))
    }
}
