//! `fd_read`, `fd_pread`, `fd_write` and `fd_pwrite`.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{Descriptor, Object},
    file_io::{self, At},
    iovec::Iovecs,
    rights::Rights,
    stream,
};
use crate::account::{Control, NOTICED_BYTES};

/// Standard output's descriptor.
const STDOUT: u32 = 1;
/// Standard error's descriptor.
const STDERR: u32 = 2;

/// `fd_read`: from a file, as much as fits the buffers and the file contains; from a stream, waits for at least one
/// byte and returns what is available. Zero bytes mean the end.
pub(super) async fn read(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nread: u32,
) -> Result<(), Stop> {
    read_at(context, memory, fd, (iovs, iovs_len), At::Position, nread).await
}

/// `fd_pread`: reads a file at an offset; the descriptor's position is unchanged.
pub(super) async fn pread(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nread: u32,
) -> Result<(), Stop> {
    read_at(context, memory, fd, (iovs, iovs_len), At::Offset(offset), nread).await
}

async fn read_at(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: (u32, u32),
    at: At,
    nread: u32,
) -> Result<(), Stop> {
    let (descriptor, buffers) = Direction::Read.check(context, memory, fd, iovs, at, nread)?;
    let flags = descriptor.flags;
    let count = match &mut descriptor.object {
        Object::File(file) => file_io::read(file, memory, buffers, at).await?,
        Object::Input(input) => stream::read(input, memory, buffers, flags).await?,
        Object::Output(_) | Object::Directory(_) => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u32(nread, count)?)
}

/// `fd_write`: to a file, all of the buffers if there is space; to a stream, at least one byte.
pub(super) async fn write(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nwritten: u32,
) -> Result<(), Stop> {
    write_at(context, memory, fd, (iovs, iovs_len), At::Position, nwritten).await
}

/// `fd_pwrite`: writes a file at an offset; the descriptor's position is unchanged. As on Linux, a descriptor that
/// appends does so here too.
pub(super) async fn pwrite(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    offset: u64,
    nwritten: u32,
) -> Result<(), Stop> {
    write_at(context, memory, fd, (iovs, iovs_len), At::Offset(offset), nwritten).await
}

async fn write_at(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: (u32, u32),
    at: At,
    nwritten: u32,
) -> Result<(), Stop> {
    let control = context.control.clone();
    let (descriptor, buffers) = Direction::Write.check(context, memory, fd, iovs, at, nwritten)?;
    let flags = descriptor.flags;
    if fd == STDERR || fd == STDOUT && control.lacks_something() {
        notice(&control, memory, fd == STDERR, buffers)?;
    }
    let count = match &mut descriptor.object {
        Object::File(file) => file_io::write(file, &control, memory, buffers, at, flags).await?,
        Object::Output(output) => stream::write(output, &control, memory, buffers, flags).await?,
        Object::Input(_) | Object::Directory(_) => return Err(Errno::Badf.into()),
    };
    Ok(memory.write_u32(nwritten, count)?)
}

/// The direction of a transfer.
#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

impl Direction {
    /// Checks everything that can be checked before a transfer: the descriptor, the place of the count, and the buffers.
    fn check<'a>(
        self,
        context: &'a mut Context,
        memory: &GuestMemory,
        fd: u32,
        (iovs, iovs_len): (u32, u32),
        at: At,
        count: u32,
    ) -> Result<(&'a mut Descriptor, Iovecs), Stop> {
        let descriptor = context.descriptor(fd)?;
        self.check_descriptor(descriptor, at)?;
        memory.check_u32(count)?;
        Ok((descriptor, Iovecs::check(memory, iovs, iovs_len)?))
    }

    /// `ESPIPE` for an offset in a stream, `EBADF` for an object that is not open in this direction, `ENOTCAPABLE` for rights that
    /// were given up.
    fn check_descriptor(self, descriptor: &Descriptor, at: At) -> Result<(), Stop> {
        let (is_open, right) = match (self, &descriptor.object) {
            (Self::Read, Object::Input(_)) | (Self::Write, Object::Output(_)) if at != At::Position => {
                return Err(Errno::Spipe.into());
            }
            (Self::Read, object) => (object.reads(), Rights::FD_READ),
            (Self::Write, object) => (object.writes(), Rights::FD_WRITE),
        };
        if !is_open {
            return Err(Errno::Badf.into());
        }
        Ok(descriptor.need(at.needs(right))?)
    }
}

impl Object {
    fn reads(&self) -> bool {
        match self {
            Self::Input(_) => true,
            Self::File(file) => file.reads,
            Self::Output(_) | Self::Directory(_) => false,
        }
    }

    fn writes(&self) -> bool {
        match self {
            Self::Output(_) => true,
            Self::File(file) => file.writes,
            Self::Input(_) | Self::Directory(_) => false,
        }
    }
}

impl At {
    /// The rights required for the transfer besides `right`.
    fn needs(self, right: Rights) -> Rights {
        match self {
            Self::Position => right,
            Self::Offset(_) => right | Rights::FD_SEEK,
        }
    }
}

/// Examines output for messages that say what the program lacks.
fn notice(control: &Control, memory: &GuestMemory, is_error: bool, mut buffers: Iovecs) -> Result<(), Errno> {
    let mut start = [0; NOTICED_BYTES];
    let length = (buffers.total() as usize).min(NOTICED_BYTES);
    let Some(start) = start.get_mut(..length) else { return Ok(()) };
    let total = buffers.total();
    buffers.gather(memory, start)?;
    control.said(is_error, start, total);
    Ok(())
}
