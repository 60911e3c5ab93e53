//! `proc_*`: ending the instance.

use super::{Context, GuestMemory, Stop};
use crate::End;

/// `proc_exit`: ends the instance with `status`.
pub(super) async fn exit(_context: &mut Context, _memory: &GuestMemory, status: u32) -> Result<(), Stop> {
    Err(Stop::End(End::Exited(status.cast_signed())))
}
