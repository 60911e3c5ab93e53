//! `fd_*` for descriptors themselves: closing, renumbering, flags, rights, and preopened paths.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{Descriptor, Object, flags},
    memory::aligned,
    rights::{NoRight, Rights},
};
use crate::account::Missing;

impl Context {
    /// The open descriptor `fd`; `EBADF` if there is none. For a standard stream that was not granted, the refusal
    /// is recorded in case the instance fails.
    #[inline]
    pub(super) fn descriptor(&mut self, fd: u32) -> Result<&mut Descriptor, Errno> {
        if fd < 3 && self.ungranted_streams & 1 << fd != 0 {
            self.refuse(match fd {
                0 => Missing::Stdin,
                1 => Missing::Stdout,
                _ => Missing::Stderr,
            });
        }
        self.descriptors.get(fd)
    }
}

/// `fd_close`: releases the descriptor's capability.
pub(super) async fn close(context: &mut Context, _: &GuestMemory, fd: u32) -> Result<(), Stop> {
    context.descriptor(fd)?;
    context.descriptors.close(fd)?;
    Ok(())
}

/// `fd_renumber`: moves a descriptor to the number of another one, which is closed.
pub(super) async fn renumber(context: &mut Context, _: &GuestMemory, from: u32, to: u32) -> Result<(), Stop> {
    Ok(context.descriptors.renumber(from, to)?)
}

/// `fd_fdstat_get`: type, flags and rights. A Console is a character device that cannot seek, which is how
/// programs recognise a terminal.
pub(super) async fn fdstat_get(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    stat: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    aligned::<8>(stat)?;
    let mut bytes = [0; 24];
    bytes[0] = descriptor.file_type() as u8;
    bytes[2..4].copy_from_slice(&descriptor.flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&descriptor.base.bits().to_le_bytes());
    bytes[16..].copy_from_slice(&descriptor.inheriting.bits().to_le_bytes());
    Ok(memory.write_bytes(stat, &bytes)?)
}

/// `fd_fdstat_set_flags`: for a file, `APPEND` and the synchronous ones; for a stream, `NONBLOCK`, which makes
/// reading and writing return `EAGAIN` rather than wait.
pub(super) async fn fdstat_set_flags(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    fd_flags: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let fd_flags = decode_flags(fd_flags)?;
    match descriptor.object {
        Object::Directory(_) => return Err(Errno::Badf.into()),
        Object::Input(_) | Object::Output(_) if fd_flags & flags::SYNCHRONOUS != 0 => {
            return Err(Errno::Notsup.into());
        }
        Object::Input(_) | Object::Output(_) | Object::File(_) => {}
    }
    descriptor.need(Rights::FD_FDSTAT_SET_FLAGS)?;
    descriptor.flags = fd_flags;
    Ok(())
}

/// `fdflags` from a guest; unknown ones are `EINVAL`.
pub(super) fn decode_flags(fd_flags: u32) -> Result<u16, Errno> {
    match u16::try_from(fd_flags) {
        Ok(known) if known & !flags::ALL == 0 => Ok(known),
        _ => Err(Errno::Inval),
    }
}

/// `fd_fdstat_set_rights`: gives up rights. Requesting additional ones is `ENOTCAPABLE`.
pub(super) async fn fdstat_set_rights(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    base: u64,
    inheriting: u64,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let held = (descriptor.base.bits(), descriptor.inheriting.bits());
    if base & !held.0 != 0 || inheriting & !held.1 != 0 {
        return Err(NoRight.into());
    }
    descriptor.base = Rights::from_bits_truncate(base);
    descriptor.inheriting = Rights::from_bits_truncate(inheriting);
    Ok(())
}

/// `fd_prestat_get`: for a preopened directory, the length of its path. Programs call it for consecutive
/// descriptors, starting at 3, until it returns `EBADF`.
pub(super) async fn prestat_get(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    prestat: u32,
) -> Result<(), Stop> {
    let Some(path) = preopen(context, fd)? else { return Err(Errno::Badf.into()) };
    let length = path.len() as u32;
    aligned::<4>(prestat)?;
    let mut bytes = [0; 8];
    // The tag of a directory is 0.
    bytes[4..].copy_from_slice(&length.to_le_bytes());
    Ok(memory.write_bytes(prestat, &bytes)?)
}

/// `fd_prestat_dir_name`: the path under which a directory was preopened, without a NUL.
pub(super) async fn prestat_dir_name(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    path: u32,
    path_len: u32,
) -> Result<(), Stop> {
    let Some(name) = preopen(context, fd)? else { return Err(Errno::Notdir.into()) };
    if name.len() > path_len as usize {
        return Err(Errno::Nametoolong.into());
    }
    Ok(memory.write_bytes(path, name.as_bytes())?)
}

/// The path of a preopened directory; `None` for other descriptors.
fn preopen(context: &mut Context, fd: u32) -> Result<Option<&str>, Errno> {
    if fd == 3 && !context.descriptors.has_preopens() {
        context.refuse(Missing::Preopen);
    }
    match &context.descriptor(fd)?.object {
        Object::Directory(directory) => Ok(directory.preopen.as_deref()),
        _ => Ok(None),
    }
}
