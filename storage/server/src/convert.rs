//! Converts between the schema's types and the volume's.

use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{self, attributes, open_flags, rights, set_time};
use capos_volume::{Attributes, Error, Kind, Last, OpenFlags, Rights, SetTime};

/// Sets the `error` field of results to the outcome of a method.
macro_rules! answer {
    ($results:expr, $outcome:expr) => {{
        let outcome: capos_volume::Result<()> = $outcome;
        if let Err(error) = outcome {
            $results.set_error($crate::convert::errno(error));
        }
        Ok(())
    }};
}
pub(crate) use answer;

pub(crate) fn errno(error: Error) -> Errno {
    Errno::try_from(error.errno()).unwrap_or(Errno::Io)
}

pub(crate) fn kind(kind: Kind) -> file_capnp::Kind {
    match kind {
        Kind::File => file_capnp::Kind::File,
        Kind::Directory => file_capnp::Kind::Directory,
        Kind::Symlink => file_capnp::Kind::SymbolicLink,
    }
}

pub(crate) fn set_attributes(mut to: attributes::Builder<'_>, from: &Attributes) {
    to.set_device(from.device);
    to.set_inode(from.ino);
    to.set_kind(kind(from.kind));
    to.set_links(u64::from(from.links));
    to.set_size(from.size);
    to.set_accessed(from.accessed_ns);
    to.set_modified(from.modified_ns);
    to.set_changed(from.changed_ns);
}

pub(crate) fn set_time(time: set_time::Reader<'_>) -> capnp::Result<SetTime> {
    Ok(match time.which()? {
        set_time::Keep(()) => SetTime::Keep,
        set_time::Now(()) => SetTime::Now,
        set_time::To(nanoseconds) => SetTime::To(nanoseconds),
    })
}

pub(crate) fn rights(rights: rights::Reader<'_>) -> Rights {
    [
        (rights.get_read(), Rights::READ),
        (rights.get_write(), Rights::WRITE),
        (rights.get_modify(), Rights::MODIFY),
    ]
    .into_iter()
    .fold(Rights::empty(), |sum, (set, right)| if set { sum | right } else { sum })
}

pub(crate) fn open_flags(flags: open_flags::Reader<'_>) -> OpenFlags {
    [
        (flags.get_read(), OpenFlags::READ),
        (flags.get_write(), OpenFlags::WRITE),
        (flags.get_create(), OpenFlags::CREATE),
        (flags.get_exclusive(), OpenFlags::EXCLUSIVE),
        (flags.get_truncate(), OpenFlags::TRUNCATE),
        (flags.get_directory(), OpenFlags::DIRECTORY),
        (flags.get_times(), OpenFlags::TIMES),
    ]
    .into_iter()
    .fold(OpenFlags::empty(), |sum, (set, flag)| if set { sum | flag } else { sum })
}

/// The treatment of a symbolic link in the last component of a path.
pub(crate) fn last(follow: bool) -> Last {
    if follow { Last::Follow } else { Last::Stay }
}
