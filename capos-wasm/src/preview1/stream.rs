//! Moving data between a guest's buffers and streams.

use super::{Errno, GuestMemory, Stop, descriptor::flags, iovec::Iovecs, quota::Allowance};
use crate::{
    account::Control,
    resources::{Input, Output, PipeWriter},
    turns::poll_once,
};
use std::future::poll_fn;

/// Waits for at least one byte, unless the descriptor is non-blocking, and returns what is available.
pub(super) async fn read(
    input: &mut Input,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    fd_flags: u16,
) -> Result<u32, Errno> {
    if buffers.total() == 0 {
        return Ok(0);
    }
    if fd_flags & flags::NONBLOCK == 0 {
        input.ready().await?;
    } else {
        poll_once(|cx| input.poll_ready(cx)).await.ok_or(Errno::Again)??;
    }
    // At most the buffers' total.
    Ok(input.consume(|bytes| buffers.scatter(memory, bytes))? as u32)
}

/// Writes at least one byte and returns the number.
pub(super) async fn write(
    output: &mut Output,
    control: &Control,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    fd_flags: u16,
) -> Result<u32, Stop> {
    let wanted = buffers.total().min(output.max_bytes().unwrap_or(u32::MAX));
    if wanted == 0 {
        return Ok(0);
    }
    let allowance = Allowance::take(Some(control), wanted)?;
    let allowed = allowance.bytes();
    let written = match output {
        Output::Console(console) => {
            console.write(allowed, |target| buffers.gather(memory, target)).await.map(|()| allowed)
        }
        Output::Pipe(pipe) => write_pipe(pipe, memory, &mut buffers, allowed, fd_flags).await,
    };
    allowance.settle(written.unwrap_or(0))?;
    Ok(written?)
}

/// Waits until everything is in the pipe; without waiting, writes as much as fits.
async fn write_pipe(
    pipe: &PipeWriter,
    memory: &GuestMemory,
    buffers: &mut Iovecs,
    length: u32,
    fd_flags: u16,
) -> Result<u32, Errno> {
    let mut written = 0u32;
    while written < length {
        if fd_flags & flags::NONBLOCK == 0 {
            poll_fn(|cx| pipe.poll_ready(cx)).await;
        }
        if pipe.broken() {
            return if written > 0 { Ok(written) } else { Err(Errno::Pipe) };
        }
        let count = (length - written).min(pipe.room() as u32);
        if count == 0 {
            return if written > 0 { Ok(written) } else { Err(Errno::Again) };
        }
        buffers.pass(memory, count, |bytes| pipe.write(bytes))?;
        written += count;
    }
    Ok(written)
}
