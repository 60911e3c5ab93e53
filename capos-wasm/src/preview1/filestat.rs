//! Attributes: `fd_filestat_*`, and setting sizes and times.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{FileType, Object},
    memory::{Claim, aligned},
    open_file::OpenFile,
    rights::Rights,
    snapshot::Snapshot,
};
use crate::resources::{Attributes, SetTime};

/// The longest `filestat` of any snapshot.
const FILESTAT_BYTES: usize = 64;

/// `filestat` of Preview 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filestat {
    device: u64,
    inode: u64,
    file_type: FileType,
    links: u64,
    size: u64,
    accessed: u64,
    modified: u64,
    changed: u64,
}

impl From<Attributes> for Filestat {
    fn from(attributes: Attributes) -> Self {
        let Attributes { device, inode, kind, links, size, accessed, modified, changed } = attributes;
        Self { device, inode, file_type: kind.into(), links, size, accessed, modified, changed }
    }
}

impl Filestat {
    /// The attributes of a stream, which has only a type.
    fn of_stream(file_type: FileType) -> Self {
        Self { device: 0, inode: 0, file_type, links: 0, size: 0, accessed: 0, modified: 0, changed: 0 }
    }

    /// Writes it at `offset`.
    pub(super) fn write(self, memory: &GuestMemory, offset: u32, snapshot: Snapshot) -> Result<(), Errno> {
        let mut bytes = [0; FILESTAT_BYTES];
        let numbers = [self.size, self.accessed, self.modified, self.changed];
        bytes[..8].copy_from_slice(&self.device.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.inode.to_le_bytes());
        bytes[16] = self.file_type as u8;
        // The link count has 32 bits in snapshot 0 and 64 bits later.
        let rest = match snapshot {
            Snapshot::Zero => {
                let links = u32::try_from(self.links).unwrap_or(u32::MAX);
                bytes[20..24].copy_from_slice(&links.to_le_bytes());
                &mut bytes[24..]
            }
            Snapshot::One => {
                bytes[24..32].copy_from_slice(&self.links.to_le_bytes());
                &mut bytes[32..]
            }
        };
        for (field, number) in rest.chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_le_bytes());
        }
        memory.write_bytes(offset, &bytes[..snapshot.filestat_bytes() as usize])
    }

    /// Checks the memory for a `filestat` before the work that produces it.
    pub(super) fn check_place(memory: &GuestMemory, offset: u32, snapshot: Snapshot) -> Result<(), Errno> {
        aligned::<8>(offset)?;
        memory.check(Claim { offset, len_bytes: snapshot.filestat_bytes() })
    }
}

/// The times selected by `fstflags`: last access and last change of content.
pub(super) fn times(accessed: u64, modified: u64, flags: u32) -> Result<(SetTime, SetTime), Errno> {
    let one = |time, set, now| match (flags & set != 0, flags & now != 0) {
        (true, true) => Err(Errno::Inval),
        (true, false) => Ok(SetTime::To(time)),
        (false, true) => Ok(SetTime::Now),
        (false, false) => Ok(SetTime::Keep),
    };
    match flags {
        0..16 => Ok((one(accessed, 1, 2)?, one(modified, 4, 8)?)),
        _ => Err(Errno::Inval),
    }
}

impl Context {
    /// The file behind a descriptor that has `rights`; `EBADF` for everything else.
    fn file(&mut self, fd: u32, rights: Rights) -> Result<&mut OpenFile, Stop> {
        let descriptor = self.descriptor(fd)?;
        if let Object::File(_) = descriptor.object {
            descriptor.need(rights)?;
        }
        match &mut descriptor.object {
            Object::File(file) => Ok(file),
            _ => Err(Errno::Badf.into()),
        }
    }

    /// As [`Self::file`], for a file that is open for writing. If it is not, the error is `not_open`, since this
    /// is not a matter of rights.
    fn writable_file(&mut self, fd: u32, rights: Rights, not_open: Errno) -> Result<&mut OpenFile, Stop> {
        match &self.descriptor(fd)?.object {
            Object::File(file) if !file.writes => Err(not_open.into()),
            _ => self.file(fd, rights),
        }
    }
}

/// `fd_filestat_get`: the attributes of an open object. For a stream, its type and zeros.
pub(super) async fn get(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    filestat: u32,
) -> Result<(), Stop> {
    let snapshot = context.snapshot;
    let descriptor = context.descriptor(fd)?;
    Filestat::check_place(memory, filestat, snapshot)?;
    let written = match &descriptor.object {
        Object::Input(_) | Object::Output(_) => Filestat::of_stream(descriptor.file_type()),
        Object::File(file) => {
            descriptor.need(Rights::FD_FILESTAT_GET)?;
            file.file.stat().await?.into()
        }
        Object::Directory(directory) => {
            descriptor.need(Rights::FD_FILESTAT_GET)?;
            directory.directory.stat().await?.into()
        }
    };
    Ok(written.write(memory, filestat, snapshot)?)
}

/// `fd_filestat_set_size`: truncates the file, or extends it with zeros. As in POSIX, `EINVAL` if it is not open for
/// writing.
pub(super) async fn set_size(context: &mut Context, _: &GuestMemory, fd: u32, size: u64) -> Result<(), Stop> {
    let file = context.writable_file(fd, Rights::FD_FILESTAT_SET_SIZE, Errno::Inval)?;
    Ok(file.file.set_size(size).await?)
}

/// `fd_filestat_set_times`: sets the times selected by the flags to the given times or to now.
pub(super) async fn set_times(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    accessed: u64,
    modified: u64,
    flags: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let (accessed, modified) = times(accessed, modified, flags)?;
    match &descriptor.object {
        Object::Input(_) | Object::Output(_) => Err(Errno::Badf.into()),
        Object::File(file) => {
            descriptor.need(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(file.file.set_times(accessed, modified).await?)
        }
        Object::Directory(directory) => {
            descriptor.need(Rights::FD_FILESTAT_SET_TIMES)?;
            Ok(directory.directory.set_times(accessed, modified).await?)
        }
    }
}

/// `fd_allocate`: ensures that there is space for a range of a file, and that the file extends to its end. As in
/// POSIX, `EBADF` if it is not open for writing.
pub(super) async fn allocate(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    offset: u64,
    length: u64,
) -> Result<(), Stop> {
    let file = context.writable_file(fd, Rights::FD_ALLOCATE, Errno::Badf)?;
    if length == 0 {
        return Err(Errno::Inval.into());
    }
    if offset.checked_add(length).is_none() {
        return Err(Errno::Fbig.into());
    }
    Ok(file.file.allocate(offset, length).await?)
}

/// `fd_advise`: accepted without any effect.
pub(super) async fn advise(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    _offset: u64,
    _length: u64,
    advice: u32,
) -> Result<(), Stop> {
    context.file(fd, Rights::FD_ADVISE)?;
    match advice {
        0..=5 => Ok(()),
        _ => Err(Errno::Inval.into()),
    }
}

/// `fd_sync`: returns when all changes to the file are durable.
pub(super) async fn sync(context: &mut Context, _: &GuestMemory, fd: u32) -> Result<(), Stop> {
    Ok(context.file(fd, Rights::FD_SYNC)?.file.sync(false).await?)
}

/// `fd_datasync`: the same for the data only. The right to `fd_sync` includes it: C programs do not request the
/// right for files that they only read, but call the function nevertheless.
pub(super) async fn datasync(context: &mut Context, _: &GuestMemory, fd: u32) -> Result<(), Stop> {
    let may_sync = context.descriptor(fd)?.need(Rights::FD_SYNC).is_ok();
    let right = if may_sync { Rights::FD_SYNC } else { Rights::FD_DATASYNC };
    Ok(context.file(fd, right)?.file.sync(true).await?)
}
