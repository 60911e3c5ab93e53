//! The error numbers of Preview 1.

use crate::resources::Error;

macro_rules! errnos {
    ($($variant:ident = $number:literal $name:literal $meaning:literal;)*) => {
        /// A Preview 1 `errno` with its number in the specification.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Errno {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl Errno {
            /// The name in the specification's tables, e.g. `ENOSYS`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The errno with this number. An unknown number comes from a faulty server.
            fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    _ => Self::Io,
                }
            }
        }
    };
}

errnos! {
    Success = 0 "success" "No error.";
    TooBig = 1 "E2BIG" "An argument list is too long.";
    Acces = 2 "EACCES" "Permission denied.";
    Addrinuse = 3 "EADDRINUSE" "The address is in use.";
    Addrnotavail = 4 "EADDRNOTAVAIL" "The address is not available.";
    Afnosupport = 5 "EAFNOSUPPORT" "The address family is not supported.";
    Again = 6 "EAGAIN" "The resource is not ready; try again.";
    Already = 7 "EALREADY" "The connection is being made already.";
    Badf = 8 "EBADF" "No such file descriptor, or one of another kind.";
    Badmsg = 9 "EBADMSG" "A broken message.";
    Busy = 10 "EBUSY" "In use.";
    Canceled = 11 "ECANCELED" "Cancelled.";
    Child = 12 "ECHILD" "No such child.";
    Connaborted = 13 "ECONNABORTED" "The connection was given up.";
    Connrefused = 14 "ECONNREFUSED" "The connection was refused.";
    Connreset = 15 "ECONNRESET" "The connection was reset.";
    Deadlk = 16 "EDEADLK" "A deadlock would follow.";
    Destaddrreq = 17 "EDESTADDRREQ" "An address is needed.";
    Dom = 18 "EDOM" "An argument is outside a function's domain.";
    Dquot = 19 "EDQUOT" "A quota is used up.";
    Exist = 20 "EEXIST" "It exists already.";
    Fault = 21 "EFAULT" "A pointer or length leaves the guest's memory.";
    Fbig = 22 "EFBIG" "The file would become too large.";
    Hostunreach = 23 "EHOSTUNREACH" "The host cannot be reached.";
    Idrm = 24 "EIDRM" "The identifier is gone.";
    Ilseq = 25 "EILSEQ" "Not UTF-8.";
    Inprogress = 26 "EINPROGRESS" "Under way.";
    Intr = 27 "EINTR" "Interrupted.";
    Inval = 28 "EINVAL" "An argument has a value that is not allowed.";
    Io = 29 "EIO" "The object behind a capability failed.";
    Isconn = 30 "EISCONN" "The socket is connected.";
    Isdir = 31 "EISDIR" "A directory.";
    Loop = 32 "ELOOP" "Too many symbolic links, or one where none is followed.";
    Mfile = 33 "EMFILE" "The instance has too many descriptors open.";
    Mlink = 34 "EMLINK" "Too many links.";
    Msgsize = 35 "EMSGSIZE" "The message is too long.";
    Multihop = 36 "EMULTIHOP" "Reserved.";
    Nametoolong = 37 "ENAMETOOLONG" "A name is too long.";
    Netdown = 38 "ENETDOWN" "The network is down.";
    Netreset = 39 "ENETRESET" "The network gave the connection up.";
    Netunreach = 40 "ENETUNREACH" "The network cannot be reached.";
    Nfile = 41 "ENFILE" "The system has too many files open.";
    Nobufs = 42 "ENOBUFS" "No room for buffers.";
    Nodev = 43 "ENODEV" "No such device.";
    Noent = 44 "ENOENT" "No such file or directory.";
    Noexec = 45 "ENOEXEC" "Not a program.";
    Nolck = 46 "ENOLCK" "No locks are left.";
    Nolink = 47 "ENOLINK" "Reserved.";
    Nomem = 48 "ENOMEM" "Not enough memory.";
    Nomsg = 49 "ENOMSG" "No such message.";
    Noprotoopt = 50 "ENOPROTOOPT" "The protocol does not have this option.";
    Nospc = 51 "ENOSPC" "No space is left on the volume.";
    Nosys = 52 "ENOSYS" "Not provided to this instance.";
    Notconn = 53 "ENOTCONN" "The socket is not connected.";
    Notdir = 54 "ENOTDIR" "Not a directory.";
    Notempty = 55 "ENOTEMPTY" "The directory is not empty.";
    Notrecoverable = 56 "ENOTRECOVERABLE" "The state cannot be recovered.";
    Notsock = 57 "ENOTSOCK" "Not a socket.";
    Notsup = 58 "ENOTSUP" "The operation is not supported by this kind of object.";
    Notty = 59 "ENOTTY" "Not a terminal.";
    Nxio = 60 "ENXIO" "No such device or address.";
    Overflow = 61 "EOVERFLOW" "A value does not fit its type.";
    Ownerdead = 62 "EOWNERDEAD" "The owner is gone.";
    Perm = 63 "EPERM" "Not permitted: a path leads out of its directory.";
    Pipe = 64 "EPIPE" "The other end of a stream is gone.";
    Proto = 65 "EPROTO" "A protocol error.";
    Protonosupport = 66 "EPROTONOSUPPORT" "The protocol is not supported.";
    Prototype = 67 "EPROTOTYPE" "The wrong protocol for the socket.";
    Range = 68 "ERANGE" "A result is too large.";
    Rofs = 69 "EROFS" "The volume is read-only.";
    Spipe = 70 "ESPIPE" "Not a seekable descriptor.";
    Srch = 71 "ESRCH" "No such process.";
    Stale = 72 "ESTALE" "The handle is stale.";
    Timedout = 73 "ETIMEDOUT" "Took too long.";
    Txtbsy = 74 "ETXTBSY" "The program is running.";
    Xdev = 75 "EXDEV" "Not on the same volume.";
    Notcapable = 76 "ENOTCAPABLE" "The descriptor or directory was not given the right to do this.";
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        match error {
            Error::NotGranted => Self::Nosys,
            Error::Overloaded => Self::Again,
            Error::NoRoom => Self::Nfile,
            Error::Disconnected => Self::Pipe,
            Error::Unsupported => Self::Notsup,
            Error::Failed => Self::Io,
            Error::Overflow => Self::Overflow,
            // The schema uses the numbers of this specification.
            Error::Refused(reason) => Self::from_number(reason as u16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Errno, Error};

    #[test]
    fn numbers_are_those_of_the_schema() {
        for number in 0..=76 {
            let errno = Errno::from_number(number);
            assert_eq!(errno as u16, number);
            let reason = capos_schema::errno_capnp::Errno::try_from(number);
            assert_eq!(reason.map(|reason| Errno::from(Error::Refused(reason))), Ok(errno));
        }
        assert!(capos_schema::errno_capnp::Errno::try_from(77).is_err());
        assert_eq!(Errno::from_number(77), Errno::Io);
    }
}
