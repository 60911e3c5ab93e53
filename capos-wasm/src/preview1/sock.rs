//! `sock_*`: sockets do not exist yet, so these functions only return errors.

use super::{Context, Errno, GuestMemory, Stop};

/// `EBADF` for a descriptor that is not open, `ENOTSOCK` for any other.
fn no_socket(context: &mut Context, fd: u32) -> Result<(), Stop> {
    context.descriptor(fd)?;
    Err(Errno::Notsock.into())
}

/// `sock_accept`.
pub(super) async fn accept(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    _flags: u32,
    _accepted: u32,
) -> Result<(), Stop> {
    no_socket(context, fd)
}

/// `sock_recv`.
#[expect(clippy::too_many_arguments, reason = "the parameters of the function")]
pub(super) async fn recv(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    _iovs: u32,
    _iovs_len: u32,
    _flags: u32,
    _received: u32,
    _result_flags: u32,
) -> Result<(), Stop> {
    no_socket(context, fd)
}

/// `sock_send`.
pub(super) async fn send(
    context: &mut Context,
    _: &GuestMemory,
    fd: u32,
    _iovs: u32,
    _iovs_len: u32,
    _flags: u32,
    _sent: u32,
) -> Result<(), Stop> {
    no_socket(context, fd)
}

/// `sock_shutdown`.
pub(super) async fn shutdown(context: &mut Context, _: &GuestMemory, fd: u32, how: u32) -> Result<(), Stop> {
    match how {
        1..=3 => no_socket(context, fd),
        _ => {
            context.descriptor(fd)?;
            Err(Errno::Inval.into())
        }
    }
}
