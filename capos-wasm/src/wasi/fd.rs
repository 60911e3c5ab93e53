//! `fd_*` on the standard streams: 0 reads the stdin Console, 1 and 2 write those of stdout and stderr.
//!
//! A descriptor whose Console was not granted, or that was closed, is `EBADF`.

use super::{
    Context, Errno, GuestMemory, Stop,
    memory::{Claim, aligned},
    stream::{FLAG_NONBLOCK, Output, stream_flags},
};
use crate::{End, instance::poll_once};
use capos_schema::console_capnp::MAX_WRITE_BYTES;

/// More entries than this in one array of buffers are refused, as `IOV_MAX` does elsewhere.
const MAX_IOVECS: u32 = 1024;

const FILETYPE_CHARACTER_DEVICE: u8 = 2;
const RIGHT_FD_READ: u64 = 1 << 1;
const RIGHT_FD_FDSTAT_SET_FLAGS: u64 = 1 << 3;
const RIGHT_FD_WRITE: u64 = 1 << 6;
const RIGHT_POLL_FD_READWRITE: u64 = 1 << 27;
const RIGHTS_OF_ALL: u64 = RIGHT_FD_FDSTAT_SET_FLAGS | RIGHT_POLL_FD_READWRITE;

impl Context {
    pub(super) fn output(&mut self, fd: u32) -> Result<&mut Output, Errno> {
        let slot = match fd {
            1 => self.stdout.as_mut(),
            2 => self.stderr.as_mut(),
            _ => None,
        };
        slot.ok_or(Errno::Badf)
    }

    /// The flags of an open descriptor, and its rights.
    fn descriptor(&mut self, fd: u32) -> Result<(&mut u16, u64), Errno> {
        if fd == 0 {
            let stdin = self.stdin.as_mut().ok_or(Errno::Badf)?;
            return Ok((&mut stdin.flags, RIGHT_FD_READ | RIGHTS_OF_ALL));
        }
        Ok((&mut self.output(fd)?.flags, RIGHT_FD_WRITE | RIGHTS_OF_ALL))
    }
}

/// `fd_close`: gives the descriptor's capability up.
pub(super) async fn close(context: &mut Context, _: &GuestMemory, fd: u32) -> Result<(), Stop> {
    context.descriptor(fd)?;
    match fd {
        0 => context.stdin = None,
        1 => context.stdout = None,
        _ => context.stderr = None,
    }
    Ok(())
}

/// `fd_fdstat_get`: a character device that cannot seek, which is how programs recognise a terminal.
pub(super) async fn fdstat_get(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    stat: u32,
) -> Result<(), Stop> {
    let (flags, rights) = context.descriptor(fd)?;
    aligned::<8>(stat)?;
    let mut bytes = [0; 24];
    bytes[0] = FILETYPE_CHARACTER_DEVICE;
    bytes[2..4].copy_from_slice(&flags.to_le_bytes());
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    Ok(memory.write_bytes(stat, &bytes)?)
}

/// `fd_fdstat_set_flags`: `NONBLOCK` makes reading return `EAGAIN` rather than wait.
pub(super) async fn fdstat_set_flags(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    flags: u32,
) -> Result<(), Stop> {
    let (current, _) = context.descriptor(fd)?;
    *current = stream_flags(flags)?;
    Ok(())
}

/// `fd_prestat_get`: no descriptor is a preopened directory.
pub(super) async fn prestat_get(
    _: &mut Context,
    _: &GuestMemory,
    _fd: u32,
    _prestat: u32,
) -> Result<(), Stop> {
    Err(Errno::Badf.into())
}

/// `fd_prestat_dir_name`: no descriptor is a preopened directory.
pub(super) async fn prestat_dir_name(
    _: &mut Context,
    _: &GuestMemory,
    _fd: u32,
    _path: u32,
    _path_len: u32,
) -> Result<(), Stop> {
    Err(Errno::Badf.into())
}

/// `fd_seek`: streams have no position.
pub(super) async fn seek(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    _offset: u64,
    whence: u32,
    _position: u32,
) -> Result<(), Stop> {
    context.descriptor(fd)?;
    if whence > 2 {
        return Err(Errno::Inval.into());
    }
    Err(Errno::Spipe.into())
}

/// `fd_read`: waits for at least one byte, then gives what is there, as far as the buffers reach. No bytes
/// mean the end of input.
pub(super) async fn read(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nread: u32,
) -> Result<(), Stop> {
    let stdin = match fd {
        0 => context.stdin.as_mut().ok_or(Errno::Badf)?,
        _ => return Err(Errno::Badf.into()),
    };
    memory.check_u32(nread)?;
    if total_bytes(memory, iovs, iovs_len)? == 0 {
        return Ok(memory.write_u32(nread, 0)?);
    }
    if stdin.flags & FLAG_NONBLOCK == 0 {
        stdin.ready().await?;
    } else {
        poll_once(|cx| stdin.poll_ready(cx)).await.unwrap_or(Err(Errno::Again))?;
    }
    let mut copied = 0;
    for index in 0..iovs_len {
        let claim = memory.read_iovec(iovs, index)?;
        let source = stdin.available().get(copied..).unwrap_or_default();
        let count = source.len().min(claim.len_bytes as usize);
        memory.write_bytes(claim.offset, &source[..count])?;
        copied += count;
    }
    stdin.consume(copied);
    Ok(memory.write_u32(nread, copied as u32)?)
}

/// `fd_write`: writes at most [`MAX_WRITE_BYTES`] of the buffers in one call on the Console and says how many.
pub(super) async fn write(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    iovs: u32,
    iovs_len: u32,
    nwritten: u32,
) -> Result<(), Stop> {
    let mut request = context.output(fd)?.console.write_request();
    memory.check_u32(nwritten)?;
    let wanted = total_bytes(memory, iovs, iovs_len)?.min(MAX_WRITE_BYTES);
    let allowed = context.control.take_output(wanted);
    if wanted > 0 && allowed == 0 {
        return Err(Stop::End(End::OutOfOutput));
    }
    if wanted == 0 {
        return Ok(memory.write_u32(nwritten, 0)?);
    }
    gather(memory, iovs, iovs_len, request.get().init_bytes(allowed))?;
    request.send().promise.await.map_err(Errno::from_capability)?;
    if allowed < wanted {
        return Err(Stop::End(End::OutOfOutput));
    }
    Ok(memory.write_u32(nwritten, allowed)?)
}

/// The length of all buffers together, clipped to what fits in 32 bits.
fn total_bytes(memory: &GuestMemory, iovs: u32, iovs_len: u32) -> Result<u32, Errno> {
    if iovs_len > MAX_IOVECS {
        return Err(Errno::Inval);
    }
    (0..iovs_len).try_fold(0u32, |total, index| {
        let claim = memory.read_iovec(iovs, index)?;
        memory.check(claim)?;
        Ok(total.saturating_add(claim.len_bytes))
    })
}

/// Fills `target` from the guest's buffers. The guest does not run meanwhile, so they are what
/// [`total_bytes`] saw.
fn gather(memory: &GuestMemory, iovs: u32, iovs_len: u32, target: &mut [u8]) -> Result<(), Errno> {
    let mut rest = target;
    for index in 0..iovs_len {
        let claim = memory.read_iovec(iovs, index)?;
        let count = claim.len_bytes.min(rest.len() as u32);
        let (piece, after) = rest.split_at_mut(count as usize);
        let part = Claim { offset: claim.offset, len_bytes: count };
        memory.with(part, |source| piece.copy_from_slice(source))?;
        rest = after;
    }
    Ok(())
}
