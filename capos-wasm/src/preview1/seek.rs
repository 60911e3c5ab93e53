//! `fd_seek` and `fd_tell`: the position of a descriptor, which is kept here and not by the file's service.

use super::{
    Context, Errno, GuestMemory, Stop, descriptor::Object, open_file::OpenFile, rights::Rights,
    snapshot::Whence,
};

/// The file whose position is used. Streams have none.
fn seekable(context: &mut Context, fd: u32, rights: Rights) -> Result<&mut OpenFile, Stop> {
    let descriptor = context.descriptor(fd)?;
    match descriptor.object {
        Object::Input(_) | Object::Output(_) => return Err(Errno::Spipe.into()),
        Object::Directory(_) => return Err(Errno::Badf.into()),
        Object::File(_) => {}
    }
    // The right to seek includes the right to tell.
    if !(rights == Rights::FD_TELL && descriptor.base.contains(Rights::FD_SEEK)) {
        descriptor.need(rights)?;
    }
    match &mut descriptor.object {
        Object::File(file) => Ok(file),
        _ => Err(Errno::Badf.into()),
    }
}

/// `fd_seek`: sets the position and returns it. A position before the file's start or beyond 64 bits is
/// `EINVAL`.
pub(super) async fn seek(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    offset: u64,
    whence: u32,
    position: u32,
) -> Result<(), Stop> {
    context.descriptor(fd)?;
    let Some(whence) = context.snapshot.whence(whence) else { return Err(Errno::Inval.into()) };
    let offset = offset.cast_signed();
    let rights = if whence == Whence::Current && offset == 0 { Rights::FD_TELL } else { Rights::FD_SEEK };
    let file = seekable(context, fd, rights)?;
    memory.check_u64(position)?;
    let base = match whence {
        Whence::Set => 0,
        Whence::Current => file.position,
        Whence::End => file.file.stat().await?.size,
    };
    let target = base.checked_add_signed(offset).ok_or(Errno::Inval)?;
    file.position = target;
    Ok(memory.write_u64(position, target)?)
}

/// `fd_tell`: the current position.
pub(super) async fn tell(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    position: u32,
) -> Result<(), Stop> {
    let file = seekable(context, fd, Rights::FD_TELL)?;
    Ok(memory.write_u64(position, file.position)?)
}
