//! The limit on an instance's output to its standard streams.

use super::Stop;
use crate::{End, account::Control};

/// The part of a write that the limit allows.
pub(super) struct Allowance<'a> {
    /// `None` if the write does not count as output.
    control: Option<&'a Control>,
    wanted: u32,
    bytes: u32,
}

impl<'a> Allowance<'a> {
    /// Takes as much of `wanted` bytes as the limit allows. If that is nothing, the instance ends.
    pub(super) fn take(control: Option<&'a Control>, wanted: u32) -> Result<Self, Stop> {
        let bytes = control.map_or(wanted, |control| control.take_output(wanted));
        match bytes == 0 && wanted > 0 {
            true => Err(Stop::End(End::OutOfOutput)),
            false => Ok(Self { control, wanted, bytes }),
        }
    }

    /// The number of bytes that may be written.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Returns the part that was not written, because it was refused or there was no space. An error is the
    /// instance's end, which occurs if it wrote all that was allowed and wanted to write more.
    pub(super) fn settle(self, written: u32) -> Result<(), Stop> {
        let Self { control, wanted, bytes } = self;
        if let Some(control) = control {
            control.return_output(bytes - written.min(bytes));
        }
        match bytes < wanted && written == bytes {
            true => Err(Stop::End(End::OutOfOutput)),
            false => Ok(()),
        }
    }
}
