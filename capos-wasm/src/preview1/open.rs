//! `path_open`.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{Descriptor, Object, OpenDirectory},
    fd::decode_flags,
    open_file::OpenFile,
    path::{self, GuestPath},
    rights::{Requested, Rights},
};
use crate::{
    account::Missing,
    resources::{OpenOptions, Opened},
};

const O_CREAT: u32 = 1;
const O_DIRECTORY: u32 = 2;
const O_EXCL: u32 = 4;
const O_TRUNC: u32 = 8;

/// `path_open`: opens the object at a path, with the lowest free descriptor number.
///
/// The base rights determine whether it is opened for reading and writing; a directory cannot be opened for
/// writing. See [`Requested`] for the other rights.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn open(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    lookup: u32,
    path: u32,
    path_len: u32,
    open_flags: u32,
    base: u64,
    inheriting: u64,
    fd_flags: u32,
    opened: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let directory = match &descriptor.object {
        Object::Directory(directory) => directory.directory.clone(),
        Object::File(_) => return Err(Errno::Notdir.into()),
        Object::Input(_) | Object::Output(_) => return Err(Errno::Badf.into()),
    };
    let follow = path::follow(lookup)?;
    let flag = |flag| open_flags & flag != 0;
    if open_flags & !(O_CREAT | O_DIRECTORY | O_EXCL | O_TRUNC) != 0 {
        return Err(Errno::Inval.into());
    }
    let fd_flags = decode_flags(fd_flags)?;
    descriptor.need(needed(open_flags))?;
    let requested = Requested::new(base, inheriting, descriptor.inheriting)?;
    memory.check_u32(opened)?;
    let path = GuestPath::claim(memory, path, path_len)?;
    if flag(O_DIRECTORY) && (flag(O_CREAT) || flag(O_EXCL) || flag(O_TRUNC)) {
        return Err(Errno::Inval.into());
    }

    let options = OpenOptions {
        follow,
        read: requested.reads(),
        write: requested.writes(),
        create: flag(O_CREAT),
        exclusive: flag(O_EXCL),
        truncate: flag(O_TRUNC),
        directory: flag(O_DIRECTORY),
        times: requested.sets_times(),
    };
    context.descriptors.check_room().inspect_err(|_| context.refuse(Missing::Descriptor))?;
    let opened_as = directory.open(path, options).await.inspect_err(|errno| {
        match *errno {
            // The instance's limit has been checked already.
            Errno::Mfile => context.refuse(Missing::OpenObject),
            Errno::Nfile => context.refuse(Missing::Slot),
            _ => {}
        }
    })?;
    let opened_as = match opened_as {
        Opened::File(file) => Descriptor {
            object: Object::File(OpenFile::new(file, requested.reads(), requested.writes())),
            base: requested.of_file(),
            inheriting: Rights::empty(),
            flags: fd_flags,
        },
        Opened::Directory(directory) => {
            let (base, inheriting) = requested.of_directory();
            let object = Object::Directory(OpenDirectory { directory, preopen: None });
            Descriptor { object, base, inheriting, flags: 0 }
        }
    };
    let number = context.descriptors.open(opened_as)?;
    if requested.writes() || flag(O_CREAT) || flag(O_TRUNC) {
        context.control.changed_a_directory();
    }
    Ok(memory.write_u32(opened, number)?)
}

/// The rights that the directory's descriptor must have.
fn needed(open_flags: u32) -> Rights {
    let mut rights = Rights::PATH_OPEN;
    rights.set(Rights::PATH_CREATE_FILE, open_flags & O_CREAT != 0);
    rights.set(Rights::PATH_FILESTAT_SET_SIZE, open_flags & O_TRUNC != 0);
    rights
}
