//! Moving data between a guest's buffers and files.

use super::{
    Errno, GuestMemory, Stop, descriptor::flags, iovec::Iovecs, open_file::OpenFile, quota::Allowance,
};
use crate::account::Control;
use capos_schema::file_capnp::MAX_DATA_BYTES;

/// A position in a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// The descriptor's position, which advances.
    Position,
    /// This offset; the descriptor's position is unchanged.
    Offset(u64),
}

/// Reads until the buffers are full or the file ends.
pub(super) async fn read(
    open: &mut OpenFile,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    at: At,
) -> Result<u32, Errno> {
    let (start, total) = (start(open, at), buffers.total());
    let mut done = 0u32;
    while done < total {
        let piece = (total - done).min(MAX_DATA_BYTES);
        let offset = start.checked_add(done.into()).ok_or(Errno::Overflow)?;
        let count = match open.file.read_at(offset, piece, |data| buffers.scatter(memory, data)).await {
            // At most `piece`.
            Ok(count) => count as u32,
            // Data that has already been read is returned.
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        };
        done += count;
        if count < piece {
            break;
        }
    }
    if let At::Position = at {
        open.position = start.checked_add(done.into()).ok_or(Errno::Overflow)?;
    }
    Ok(done)
}

/// Writes all of the buffers, or as much as fits.
pub(super) async fn write(
    open: &mut OpenFile,
    control: &Control,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    at: At,
    fd_flags: u16,
) -> Result<u32, Stop> {
    let allowance = Allowance::take(open.is_stream.then_some(control), buffers.total())?;
    let start = start(open, at);
    let written = write_pieces(open, memory, &mut buffers, start, allowance.bytes(), fd_flags).await;
    let settled = allowance.settle(written.map_or(0, |(done, _)| done));
    let (done, end) = written?;
    if let At::Position = at
        && done > 0
    {
        open.position = end;
    }
    if fd_flags & flags::SYNCHRONOUS != 0 && done > 0 {
        open.file.sync(fd_flags & flags::SYNC == 0).await?;
    }
    settled.map(|()| done)
}

/// Writes the first `length` bytes of the buffers at `start`, or at the file's end. Returns the number of bytes
/// written and the position after them; an error only if there were none.
async fn write_pieces(
    open: &OpenFile,
    memory: &GuestMemory,
    buffers: &mut Iovecs,
    start: u64,
    length: u32,
    fd_flags: u16,
) -> Result<(u32, u64), Errno> {
    let (mut done, mut end) = (0u32, start);
    while done < length {
        let piece = (length - done).min(MAX_DATA_BYTES);
        let fill = |target: &mut [u8]| buffers.gather(memory, target);
        let written = match fd_flags & flags::APPEND {
            0 => {
                let offset = start.checked_add(done.into()).ok_or(Errno::Overflow)?;
                let written = open.file.write_at(offset, piece, fill).await;
                written.map(|count| (count, offset.saturating_add(count.into())))
            }
            _ => open.file.append(piece, fill).await,
        };
        let count = match written {
            Ok((0, _)) if done == 0 => return Err(Errno::Nospc),
            Ok((count, after)) => {
                end = after;
                count
            }
            // Data that has already been written is reported.
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        };
        done += count;
        if count < piece {
            break;
        }
    }
    Ok((done, end))
}

fn start(open: &OpenFile, at: At) -> u64 {
    match at {
        At::Position => open.position,
        At::Offset(offset) => offset,
    }
}
