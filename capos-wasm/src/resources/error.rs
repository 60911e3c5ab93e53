//! The error type of all resources.

use capos_schema::errno_capnp::Errno;

/// The reason that an operation on a resource failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The capability was not granted.
    NotGranted,
    /// The server has no space for the request at the moment.
    Overloaded,
    /// This process has no space for another capability, and waiting does not help.
    NoRoom,
    /// The other end is closed.
    Disconnected,
    /// The server does not implement the operation.
    Unsupported,
    /// The server failed, or broke the protocol of its interface.
    Failed,
    /// A value does not fit its type.
    Overflow,
    /// A file service refused the operation, for this reason.
    Refused(Errno),
}

impl Error {
    /// The error of a call that failed without a result.
    pub(crate) fn of_call(error: capnp::Error) -> Self {
        match error.kind {
            capnp::ErrorKind::Overloaded => Self::Overloaded,
            capnp::ErrorKind::Disconnected => Self::Disconnected,
            capnp::ErrorKind::Unimplemented => Self::Unsupported,
            _ => Self::Failed,
        }
    }

    /// As [`Self::of_call`], for a call on a file or directory: since there is no other end of a stream, a service that
    /// is gone counts as failed.
    pub(crate) fn of_file_call(error: capnp::Error) -> Self {
        match Self::of_call(error) {
            Self::Disconnected => Self::Failed,
            other => other,
        }
    }

    /// As [`Self::of_call`], for a call that returns a new capability: overloaded then means that this process
    /// has no space for it.
    pub(crate) fn of_opening(error: capnp::Error) -> Self {
        match Self::of_file_call(error) {
            Self::Overloaded => Self::NoRoom,
            other => other,
        }
    }
}

/// The outcome in the results of a file service.
pub(super) fn outcome(error: Result<Errno, capnp::NotInSchema>) -> Result<(), Error> {
    match error {
        Ok(Errno::Success) => Ok(()),
        Ok(error) => Err(Error::Refused(error)),
        Err(capnp::NotInSchema(_)) => Err(Error::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, outcome};
    use capos_schema::errno_capnp::Errno;

    #[test]
    fn what_overloaded_means_depends_on_the_call() {
        let error = || capnp::Error::overloaded("full".into());
        assert_eq!(Error::of_call(error()), Error::Overloaded);
        assert_eq!(Error::of_file_call(error()), Error::Overloaded);
        assert_eq!(Error::of_opening(error()), Error::NoRoom);
    }

    #[test]
    fn a_file_service_that_is_gone_has_failed() {
        let error = || capnp::Error::disconnected("gone".into());
        assert_eq!(Error::of_call(error()), Error::Disconnected);
        assert_eq!(Error::of_file_call(error()), Error::Failed);
        assert_eq!(Error::of_opening(error()), Error::Failed);
    }

    #[test]
    fn an_outcome_that_the_schema_does_not_have_is_a_failure() {
        assert_eq!(outcome(Ok(Errno::Success)), Ok(()));
        assert_eq!(outcome(Ok(Errno::NoEntry)), Err(Error::Refused(Errno::NoEntry)));
        assert_eq!(outcome(Err(capnp::NotInSchema(999))), Err(Error::Failed));
    }
}
