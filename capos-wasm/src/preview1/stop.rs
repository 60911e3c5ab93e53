//! The ends of a function that does not succeed.

use super::{Errno, rights::NoRight};
use crate::{End, engine::Outcome, resources::Error};

/// The reason that a function did not succeed.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The guest receives this error number.
    Errno(Errno),
    /// The descriptor does not have the right.
    NoRight,
    /// The instance ends here.
    End(End),
}

impl From<NoRight> for Stop {
    fn from(_: NoRight) -> Self {
        Self::NoRight
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Errno(error.into())
    }
}

impl From<Result<(), Stop>> for Outcome {
    fn from(result: Result<(), Stop>) -> Self {
        match result {
            Ok(()) => Self::Returned(Errno::Success as u32),
            Err(Stop::Errno(errno)) => Self::Returned(errno as u32),
            Err(Stop::NoRight) => Self::Returned(Errno::Notcapable as u32),
            Err(Stop::End(end)) => Self::Ended(Box::new(end)),
        }
    }
}
