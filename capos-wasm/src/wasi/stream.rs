//! Moving data between a guest's buffers and streams.

use super::{
    Errno, GuestMemory, Stop,
    descriptor::flags,
    input::Input,
    iovec::Iovecs,
    output::{ConsoleOutput, ConsoleStream, Output},
    pipe::PipeWriter,
};
use crate::{
    End,
    instance::{Control, poll_once},
};
use capos_schema::console_capnp::MAX_WRITE_BYTES;
use std::future::poll_fn;

/// Waits for at least one byte, unless the descriptor does not wait, and gives what is there.
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
        poll_once(|cx| input.poll_ready(cx)).await.unwrap_or(Err(Errno::Again))?;
    }
    // No more than the buffers' total.
    Ok(input.consume(|bytes| buffers.scatter(memory, bytes))? as u32)
}

/// Writes at least something and says how much.
pub(super) async fn write(
    output: &mut Output,
    control: &Control,
    memory: &GuestMemory,
    mut buffers: Iovecs,
    fd_flags: u16,
) -> Result<u32, Stop> {
    let wanted = match output {
        Output::Console(_) => buffers.total().min(MAX_WRITE_BYTES),
        Output::Pipe(_) => buffers.total(),
    };
    let allowed = control.take_output(wanted);
    if wanted == 0 {
        return Ok(0);
    }
    if allowed == 0 {
        return Err(Stop::End(End::OutOfOutput));
    }
    let written = match output {
        Output::Console(console) => write_console(console, memory, &mut buffers, allowed).await,
        Output::Pipe(pipe) => write_pipe(pipe, memory, &mut buffers, allowed, fd_flags).await,
    };
    // What was refused, or found no room, is no output.
    control.return_output(allowed - written.unwrap_or(0));
    if allowed < wanted && written == Ok(allowed) {
        return Err(Stop::End(End::OutOfOutput));
    }
    Ok(written?)
}

async fn write_console(
    console: &ConsoleOutput,
    memory: &GuestMemory,
    buffers: &mut Iovecs,
    length: u32,
) -> Result<u32, Errno> {
    let written = match console.stream {
        ConsoleStream::Standard => {
            let mut request = console.client.write_request();
            buffers.gather(memory, request.get().init_bytes(length))?;
            request.send().promise.await.map(drop)
        }
        ConsoleStream::Errors => {
            let mut request = console.client.write_error_request();
            buffers.gather(memory, request.get().init_bytes(length))?;
            request.send().promise.await.map(drop)
        }
    };
    written.map_err(Errno::from_capability)?;
    Ok(length)
}

/// Waits until everything is in the pipe; without waiting, puts in what there is room for.
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
