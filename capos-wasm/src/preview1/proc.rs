//! `proc_*`: ending the instance.

use super::{Context, Errno, GuestMemory, Stop};
use crate::End;

/// `signal` of Preview 1, by the default action in POSIX.
const SIGCHLD: u32 = 16;
const SIGCONT: u32 = 17;
const SIGSTOP: u32 = 18;
const SIGTTOU: u32 = 21;
const SIGURG: u32 = 22;
const SIGWINCH: u32 = 27;
const SIGSYS: u32 = 30;

/// `proc_exit`: ends the instance with `status`.
pub(super) async fn exit(_context: &mut Context, _memory: &GuestMemory, status: u32) -> Result<(), Stop> {
    Err(Stop::End(End::Exited(status.cast_signed())))
}

/// `proc_raise`: performs the default action of the signal. Most end the instance, with 128
/// plus the signal's number as its status; some are ignored; those that would stop it are `ENOTSUP`.
pub(super) async fn raise(_: &mut Context, _: &GuestMemory, signal: u32) -> Result<(), Stop> {
    match signal {
        0 | SIGCHLD | SIGCONT | SIGURG | SIGWINCH => Ok(()),
        SIGSTOP..=SIGTTOU => Err(Errno::Notsup.into()),
        1..=SIGSYS => Err(Stop::End(End::Exited(128 + signal.cast_signed()))),
        _ => Err(Errno::Inval.into()),
    }
}
