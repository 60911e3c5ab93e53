//! What the standard streams have in common, and the writing ones.

use super::Errno;
use capos_schema::console_capnp::console;

/// `fdflags` of Preview 1.
pub(super) const FLAG_APPEND: u16 = 1 << 0;
pub(super) const FLAG_DSYNC: u16 = 1 << 1;
pub(super) const FLAG_NONBLOCK: u16 = 1 << 2;
pub(super) const FLAG_RSYNC: u16 = 1 << 3;
pub(super) const FLAG_SYNC: u16 = 1 << 4;

/// Accepts the flags that mean something for a stream: `APPEND`, which always holds, and `NONBLOCK`.
pub(super) fn stream_flags(flags: u32) -> Result<u16, Errno> {
    let flags = u16::try_from(flags).map_err(|_| Errno::Inval)?;
    let synchronous = FLAG_DSYNC | FLAG_RSYNC | FLAG_SYNC;
    if flags & !(FLAG_APPEND | FLAG_NONBLOCK | synchronous) != 0 {
        return Err(Errno::Inval);
    }
    if flags & synchronous != 0 {
        return Err(Errno::Notsup);
    }
    Ok(flags)
}

/// A standard stream that the instance writes.
pub(super) struct Output {
    pub(super) console: console::Client,
    pub(super) flags: u16,
}

impl Output {
    pub(super) fn new(console: console::Client) -> Self {
        Self { console, flags: 0 }
    }
}
