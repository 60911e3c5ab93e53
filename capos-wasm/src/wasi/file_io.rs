//! Moving data between a guest's buffers and files.

use super::{Errno, GuestMemory, Stop, descriptor::flags, file::OpenFile, iovec::Iovecs};
use crate::{End, instance::Control};
use capos_schema::file_capnp::MAX_DATA_BYTES;

/// Where in a file.
#[derive(Clone, Copy)]
pub(super) enum At {
    /// At the descriptor's position, which moves along.
    Position,
    /// There; the position stays.
    Offset(u64),
}

/// Reads until the buffers are full or the file ends.
pub(super) async fn read(
    file: &mut OpenFile,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    at: At,
) -> Result<u32, Errno> {
    let (start, total) = (start(file, at), buffers.total());
    let mut done = 0u32;
    while done < total {
        let piece = (total - done).min(MAX_DATA_BYTES);
        let offset = start.checked_add(done.into()).ok_or(Errno::Overflow)?;
        let count = match file.read_at(offset, piece, |data| buffers.scatter(memory, data)).await {
            // No more than `piece`.
            Ok(count) => count as u32,
            // What was read before is not lost.
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        };
        done += count;
        if count < piece {
            break;
        }
    }
    if let At::Position = at {
        file.position = start.checked_add(done.into()).ok_or(Errno::Overflow)?;
    }
    Ok(done)
}

/// Writes all of the buffers, or as much as there is room for.
pub(super) async fn write(
    file: &mut OpenFile,
    control: &Control,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    at: At,
    fd_flags: u16,
) -> Result<u32, Stop> {
    let total = buffers.total();
    let allowed = if file.is_stream { control.take_output(total) } else { total };
    if allowed == 0 && total > 0 {
        return Err(Stop::End(End::OutOfOutput));
    }
    let written = write_pieces(file, memory, &mut buffers, start(file, at), allowed, fd_flags).await;
    let done = written.map_or(0, |(done, _)| done);
    if file.is_stream {
        // What was refused, or found no room, is no output.
        control.return_output(allowed - done);
    }
    let (_, end) = written?;
    if let At::Position = at
        && done > 0
    {
        file.position = end;
    }
    if fd_flags & flags::SYNCHRONOUS != 0 && done > 0 {
        file.sync(fd_flags & flags::SYNC == 0).await?;
    }
    if allowed < total && done == allowed {
        return Err(Stop::End(End::OutOfOutput));
    }
    Ok(done)
}

/// Writes the first `length` bytes of the buffers from `start` on, or at the file's end. Says how many it wrote, and
/// where that ends; an error only if there were none.
async fn write_pieces(
    file: &OpenFile,
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
                let written = file.write_at(offset, piece, fill).await;
                written.map(|count| (count, offset.saturating_add(count.into())))
            }
            _ => file.append(piece, fill).await,
        };
        let count = match written {
            Ok((0, _)) if done == 0 => return Err(Errno::Nospc),
            Ok((count, after)) => {
                end = after;
                count
            }
            // What was written before is.
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

fn start(file: &OpenFile, at: At) -> u64 {
    match at {
        At::Position => file.position,
        At::Offset(offset) => offset,
    }
}
