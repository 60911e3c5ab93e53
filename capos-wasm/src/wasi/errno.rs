//! The error numbers of Preview 1 that this host returns.

/// A Preview 1 `errno` with its number in the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Errno {
    /// No error.
    Success = 0,
    /// The resource is not ready; try again.
    Again = 6,
    /// No such file descriptor.
    Badf = 8,
    /// A pointer or length leaves the guest's memory.
    Fault = 21,
    /// An argument has a value that is not allowed.
    Inval = 28,
    /// The object behind a capability failed.
    Io = 29,
    /// Not provided to this instance.
    Nosys = 52,
    /// The operation is not supported by this kind of descriptor.
    Notsup = 58,
    /// A value does not fit its type.
    Overflow = 61,
    /// The other end of a stream is gone.
    Pipe = 64,
    /// Not a seekable descriptor.
    Spipe = 70,
}

impl Errno {
    /// The name in the specification's tables, e.g. `ENOSYS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Again => "EAGAIN",
            Self::Badf => "EBADF",
            Self::Fault => "EFAULT",
            Self::Inval => "EINVAL",
            Self::Io => "EIO",
            Self::Nosys => "ENOSYS",
            Self::Notsup => "ENOTSUP",
            Self::Overflow => "EOVERFLOW",
            Self::Pipe => "EPIPE",
            Self::Spipe => "ESPIPE",
        }
    }

    /// What a guest sees when a call on one of its capabilities fails.
    pub(crate) fn from_capability(error: capnp::Error) -> Self {
        match error.kind {
            capnp::ErrorKind::Overloaded => Self::Again,
            capnp::ErrorKind::Disconnected => Self::Pipe,
            capnp::ErrorKind::Unimplemented => Self::Notsup,
            _ => Self::Io,
        }
    }
}
