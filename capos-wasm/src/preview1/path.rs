//! `path_*` except `path_open`: all operations by name.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::Object,
    filestat::{Filestat, times},
    memory::Claim,
    rights::Rights,
};
use crate::resources::{Directory, PathBytes};

/// No service accepts a longer path.
const MAX_PATH_BYTES: u32 = 4096;

/// `lookupflags`: follow a symbolic link in the last component.
const SYMLINK_FOLLOW: u32 = 1;

impl Context {
    /// The directory behind a descriptor that has `rights`; `EBADF` for everything else.
    fn directory(&mut self, fd: u32, rights: Rights) -> Result<&Directory, Stop> {
        let descriptor = self.descriptor(fd)?;
        match &descriptor.object {
            Object::Directory(directory) => {
                descriptor.need(rights)?;
                Ok(&directory.directory)
            }
            _ => Err(Errno::Badf.into()),
        }
    }

    /// The directory behind a descriptor that has `rights`, and a path to use in it.
    fn place<'a, 'm>(
        &'a mut self,
        memory: &'m GuestMemory,
        fd: u32,
        rights: Rights,
        (path, path_len): (u32, u32),
    ) -> Result<(&'a Directory, GuestPath<'m>), Stop> {
        let directory = self.directory(fd, rights)?;
        Ok((directory, GuestPath::claim(memory, path, path_len)?))
    }
}

/// A path in the guest's memory, within bounds and not too long.
#[derive(Clone, Copy)]
pub(super) struct GuestPath<'a> {
    memory: &'a GuestMemory,
    claim: Claim,
}

impl<'a> GuestPath<'a> {
    pub(super) fn claim(memory: &'a GuestMemory, path: u32, path_len: u32) -> Result<Self, Errno> {
        let claim = Claim { offset: path, len_bytes: path_len };
        memory.check(claim)?;
        if path_len > MAX_PATH_BYTES { Err(Errno::Nametoolong) } else { Ok(Self { memory, claim }) }
    }
}

impl PathBytes for GuestPath<'_> {
    type Error = Errno;

    fn len_bytes(&self) -> u32 {
        self.claim.len_bytes
    }

    fn copy_to(&self, target: &mut [u8]) -> Result<(), Errno> {
        self.memory.with(self.claim, |source| target.copy_from_slice(source))
    }
}

/// `lookupflags` from a guest: whether to follow symbolic links.
pub(super) fn follow(flags: u32) -> Result<bool, Errno> {
    match flags {
        0 => Ok(false),
        SYMLINK_FOLLOW => Ok(true),
        _ => Err(Errno::Inval),
    }
}

/// Defines a function that only takes the path of something to create or remove.
macro_rules! by_name {
    ($(#[$doc:meta])* $name:ident, $right:ident, $method:ident) => {
        $(#[$doc])*
        pub(super) async fn $name(
            context: &mut Context,
            memory: &GuestMemory,
            fd: u32,
            path: u32,
            path_len: u32,
        ) -> Result<(), Stop> {
            let (directory, path) = context.place(memory, fd, Rights::$right, (path, path_len))?;
            directory.$method(path).await?;
            context.control.changed_a_directory();
            Ok(())
        }
    };
}

by_name!(
    /// `path_create_directory`.
    create_directory, PATH_CREATE_DIRECTORY, create_directory
);
by_name!(
    /// `path_remove_directory`: removes an empty directory.
    remove_directory, PATH_REMOVE_DIRECTORY, remove_directory
);
by_name!(
    /// `path_unlink_file`: removes a file or symbolic link.
    unlink_file, PATH_UNLINK_FILE, unlink
);

/// `path_filestat_get`: the attributes of the object at a path.
pub(super) async fn filestat_get(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    filestat: u32,
) -> Result<(), Stop> {
    let snapshot = context.snapshot;
    let (directory, path) = context.place(memory, fd, Rights::PATH_FILESTAT_GET, (path, path_len))?;
    let follow = follow(flags)?;
    Filestat::check_place(memory, filestat, snapshot)?;
    let attributes = directory.stat_path(path, follow).await?;
    Ok(Filestat::from(attributes).write(memory, filestat, snapshot)?)
}

/// `path_filestat_set_times`: sets the times selected by the flags to the given times or to now.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn filestat_set_times(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    accessed: u64,
    modified: u64,
    time_flags: u32,
) -> Result<(), Stop> {
    let (directory, path) = context.place(memory, fd, Rights::PATH_FILESTAT_SET_TIMES, (path, path_len))?;
    let follow = follow(flags)?;
    let (accessed, modified) = times(accessed, modified, time_flags)?;
    directory.set_times_path(path, follow, accessed, modified).await?;
    context.control.changed_a_directory();
    Ok(())
}

/// `path_link`: creates a second name for a file. As in wasmtime, following a symbolic link is `EINVAL`.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn link(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    flags: u32,
    path: u32,
    path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Result<(), Stop> {
    let to = context.directory(new_fd, Rights::PATH_LINK_TARGET)?.clone();
    let (directory, path) = context.place(memory, fd, Rights::PATH_LINK_SOURCE, (path, path_len))?;
    if follow(flags)? {
        return Err(Errno::Inval.into());
    }
    let new_path = GuestPath::claim(memory, new_path, new_path_len)?;
    directory.link(path, to, new_path).await?;
    context.control.changed_a_directory();
    Ok(())
}

/// `path_rename`: renames or moves an object, replacing the target where POSIX allows it.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn rename(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    path: u32,
    path_len: u32,
    new_fd: u32,
    new_path: u32,
    new_path_len: u32,
) -> Result<(), Stop> {
    let to = context.directory(new_fd, Rights::PATH_RENAME_TARGET)?.clone();
    let (directory, path) = context.place(memory, fd, Rights::PATH_RENAME_SOURCE, (path, path_len))?;
    let new_path = GuestPath::claim(memory, new_path, new_path_len)?;
    directory.rename(path, to, new_path).await?;
    context.control.changed_a_directory();
    Ok(())
}

/// `path_symlink`: creates a symbolic link at `path` to `target`.
pub(super) async fn symlink(
    context: &mut Context,
    memory: &GuestMemory,
    target: u32,
    target_len: u32,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result<(), Stop> {
    let (directory, path) = context.place(memory, fd, Rights::PATH_SYMLINK, (path, path_len))?;
    let target = GuestPath::claim(memory, target, target_len)?;
    directory.symlink(target, path).await?;
    context.control.changed_a_directory();
    Ok(())
}

/// `path_readlink`: the target of a symbolic link, truncated to the buffer.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn readlink(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    path: u32,
    path_len: u32,
    buffer: u32,
    buffer_len: u32,
    used: u32,
) -> Result<(), Stop> {
    let (directory, path) = context.place(memory, fd, Rights::PATH_READLINK, (path, path_len))?;
    memory.check(Claim { offset: buffer, len_bytes: buffer_len })?;
    memory.check_u32(used)?;
    let take = |target: &[u8]| {
        let part = target.get(..buffer_len as usize).unwrap_or(target);
        memory.write_bytes(buffer, part)?;
        memory.write_u32(used, part.len() as u32)
    };
    Ok(directory.read_link(path, take).await?)
}
