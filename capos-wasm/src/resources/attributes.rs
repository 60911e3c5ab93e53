//! Attributes of files and directories.

use super::{Error, ask::ask};
use capos_schema::file_capnp::{attributes, object, set_time};

pub(crate) use capos_schema::file_capnp::Kind;

/// The attributes of a file or directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// `None` for a kind that is not in the schema.
    pub(crate) kind: Option<Kind>,
    pub(crate) links: u64,
    pub(crate) size: u64,
    /// Times in nanoseconds since 1970-01-01T00:00:00Z.
    pub(crate) accessed: u64,
    pub(crate) modified: u64,
    pub(crate) changed: u64,
}

impl Attributes {
    pub(super) fn read(reader: capnp::Result<attributes::Reader<'_>>) -> Result<Self, Error> {
        let reader = reader.map_err(Error::of_file_call)?;
        Ok(Self {
            device: reader.get_device(),
            inode: reader.get_inode(),
            kind: reader.get_kind().ok(),
            links: reader.get_links(),
            size: reader.get_size(),
            accessed: reader.get_accessed(),
            modified: reader.get_modified(),
            changed: reader.get_changed(),
        })
    }
}

/// The value that a time is set to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SetTime {
    Keep,
    Now,
    To(u64),
}

impl SetTime {
    pub(super) fn write(self, mut builder: set_time::Builder<'_>) {
        match self {
            Self::Keep => builder.set_keep(()),
            Self::Now => builder.set_now(()),
            Self::To(nanoseconds) => builder.set_to(nanoseconds),
        }
    }
}

/// The attributes of a file or directory.
pub(super) async fn stat(object: &object::Client) -> Result<Attributes, Error> {
    ask!(object.stat_request(), |results| Attributes::read(results.get_attributes()))
}

/// Sets the times of a file or directory: of the last access, and of the last change of its content.
pub(super) async fn set_times(
    object: &object::Client,
    accessed: SetTime,
    modified: SetTime,
) -> Result<(), Error> {
    let mut request = object.set_times_request();
    accessed.write(request.get().init_accessed());
    modified.write(request.get().init_modified());
    ask!(request, |_results| Ok(()))
}
