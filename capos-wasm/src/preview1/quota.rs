//! The limit on what an instance writes to its standard streams.

use super::Stop;
use crate::{End, account::Control};

/// The part of a write that the limit allows.
pub(super) struct Allowance<'a> {
    /// `None` for what does not count as output.
    control: Option<&'a Control>,
    wanted: u32,
    bytes: u32,
}

impl<'a> Allowance<'a> {
    /// Takes as much of `wanted` bytes as the limit still allows. Nothing at all is the instance's end.
    pub(super) fn take(control: Option<&'a Control>, wanted: u32) -> Result<Self, Stop> {
        let bytes = control.map_or(wanted, |control| control.take_output(wanted));
        match bytes == 0 && wanted > 0 {
            true => Err(Stop::End(End::OutOfOutput)),
            false => Ok(Self { control, wanted, bytes }),
        }
    }

    /// How many bytes may be written.
    pub(super) fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Gives back what was not written: what was refused, or found no room, is no output. An error is the instance's end, which
    /// follows when it wrote all that it might and wanted more.
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
