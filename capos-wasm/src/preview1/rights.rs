//! Rights of descriptors.
//!
//! A descriptor has base rights, for operations on it, and, if it is a directory, inheriting rights, which limit
//! the rights of what is opened through it. Both can only be reduced. Independently of them, the directory or file
//! itself has rights that its service enforces.

use bitflags::bitflags;

/// A right that the descriptor does not have because the program gave it up or never requested it. The program
/// receives `ENOTCAPABLE`; for rights missing in the grant of a directory it receives `EPERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoRight;

bitflags! {
    /// `rights` of Preview 1.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Rights: u64 {
        const FD_DATASYNC = 1 << 0;
        const FD_READ = 1 << 1;
        const FD_SEEK = 1 << 2;
        const FD_FDSTAT_SET_FLAGS = 1 << 3;
        const FD_SYNC = 1 << 4;
        const FD_TELL = 1 << 5;
        const FD_WRITE = 1 << 6;
        const FD_ADVISE = 1 << 7;
        const FD_ALLOCATE = 1 << 8;
        const PATH_CREATE_DIRECTORY = 1 << 9;
        const PATH_CREATE_FILE = 1 << 10;
        const PATH_LINK_SOURCE = 1 << 11;
        const PATH_LINK_TARGET = 1 << 12;
        const PATH_OPEN = 1 << 13;
        const FD_READDIR = 1 << 14;
        const PATH_READLINK = 1 << 15;
        const PATH_RENAME_SOURCE = 1 << 16;
        const PATH_RENAME_TARGET = 1 << 17;
        const PATH_FILESTAT_GET = 1 << 18;
        const PATH_FILESTAT_SET_SIZE = 1 << 19;
        const PATH_FILESTAT_SET_TIMES = 1 << 20;
        const FD_FILESTAT_GET = 1 << 21;
        const FD_FILESTAT_SET_SIZE = 1 << 22;
        const FD_FILESTAT_SET_TIMES = 1 << 23;
        const PATH_SYMLINK = 1 << 24;
        const PATH_REMOVE_DIRECTORY = 1 << 25;
        const PATH_UNLINK_FILE = 1 << 26;
        const POLL_FD_READWRITE = 1 << 27;

        /// The rights that apply to files.
        const OF_FILE = Self::FD_DATASYNC.bits() | Self::FD_READ.bits() | Self::FD_SEEK.bits()
            | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::FD_SYNC.bits() | Self::FD_TELL.bits()
            | Self::FD_WRITE.bits() | Self::FD_ADVISE.bits() | Self::FD_ALLOCATE.bits()
            | Self::FD_FILESTAT_GET.bits() | Self::FD_FILESTAT_SET_SIZE.bits()
            | Self::FD_FILESTAT_SET_TIMES.bits() | Self::POLL_FD_READWRITE.bits();
        /// The rights that apply to directories.
        const OF_DIRECTORY = Self::PATH_CREATE_DIRECTORY.bits() | Self::PATH_CREATE_FILE.bits()
            | Self::PATH_LINK_SOURCE.bits() | Self::PATH_LINK_TARGET.bits() | Self::PATH_OPEN.bits()
            | Self::FD_READDIR.bits() | Self::PATH_READLINK.bits() | Self::PATH_RENAME_SOURCE.bits()
            | Self::PATH_RENAME_TARGET.bits() | Self::PATH_FILESTAT_GET.bits()
            | Self::PATH_FILESTAT_SET_SIZE.bits() | Self::PATH_FILESTAT_SET_TIMES.bits()
            | Self::FD_FILESTAT_GET.bits() | Self::FD_FILESTAT_SET_TIMES.bits() | Self::PATH_SYMLINK.bits()
            | Self::PATH_REMOVE_DIRECTORY.bits() | Self::PATH_UNLINK_FILE.bits();
        /// The rights that a preopened directory passes on.
        const INHERITABLE = Self::OF_FILE.bits() | Self::OF_DIRECTORY.bits();
        /// The rights that require a file that is open for writing.
        const OF_WRITER = Self::FD_WRITE.bits() | Self::FD_ALLOCATE.bits() | Self::FD_FILESTAT_SET_SIZE.bits();
        /// Reading and writing: the only rights that determine how a file is opened.
        const ACCESS = Self::FD_READ.bits() | Self::FD_WRITE.bits();
        const OF_INPUT = Self::FD_READ.bits() | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::POLL_FD_READWRITE.bits();
        const OF_OUTPUT = Self::FD_WRITE.bits() | Self::FD_FDSTAT_SET_FLAGS.bits() | Self::POLL_FD_READWRITE.bits();
    }
}

/// The rights requested in a `path_open`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requested {
    base: Rights,
    inheriting: Rights,
    /// The inheriting rights of the directory.
    limit: Rights,
}

impl Requested {
    /// Reads the rights requested by the guest; those that apply to neither files nor directories are
    /// ignored.
    /// Returns an error if the directory, with the inheriting rights `limit`, does not pass all of them on.
    pub(super) fn new(base: u64, inheriting: u64, limit: Rights) -> Result<Self, NoRight> {
        let known = |rights| Rights::from_bits_truncate(rights) & Rights::INHERITABLE;
        let (base, inheriting) = (known(base), known(inheriting));
        match limit.contains(base | inheriting) {
            true => Ok(Self { base, inheriting, limit }),
            false => Err(NoRight),
        }
    }

    pub(super) fn reads(self) -> bool {
        self.base.contains(Rights::FD_READ)
    }

    pub(super) fn writes(self) -> bool {
        self.base.contains(Rights::FD_WRITE)
    }

    /// Whether a file opened with these rights may have its times set.
    pub(super) fn sets_times(self) -> bool {
        self.of_file().contains(Rights::FD_FILESTAT_SET_TIMES)
    }

    /// Whether only reading and writing are requested. Such a program leaves the other rights to the host and
    /// receives all of them; wasmtime ignores the others in any case.
    fn names_access_only(self) -> bool {
        Rights::ACCESS.contains(self.base)
    }

    /// The base rights of a file opened with this request.
    pub(super) fn of_file(self) -> Rights {
        let base = match self.names_access_only() {
            true => self.limit & Rights::OF_FILE.difference(Rights::ACCESS) | self.base,
            false => self.base & Rights::OF_FILE,
        };
        if self.writes() { base } else { base.difference(Rights::OF_WRITER) }
    }

    /// The base and inheriting rights of a directory opened with this request.
    pub(super) fn of_directory(self) -> (Rights, Rights) {
        match self.names_access_only() {
            true => (self.limit & Rights::OF_DIRECTORY, self.limit),
            false => (self.base & Rights::OF_DIRECTORY, self.inheriting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{NoRight, Requested, Rights};

    #[test]
    fn nothing_grows() {
        let limit = Rights::INHERITABLE.difference(Rights::FD_WRITE);
        let error = Requested::new(Rights::FD_WRITE.bits(), 0, limit).err();
        assert_eq!(error, Some(NoRight));
        let error = Requested::new(0, Rights::FD_WRITE.bits(), limit).err();
        assert_eq!(error, Some(NoRight));
        let dir = Requested::new(Rights::FD_READ.bits(), 0, limit).map(Requested::of_directory);
        assert_eq!(dir, Ok((Rights::OF_DIRECTORY, limit)));
    }

    #[test]
    fn what_is_named_is_what_is_given() {
        let named = Rights::FD_READ | Rights::FD_SEEK;
        let file = Requested::new(named.bits(), 0, Rights::INHERITABLE).map(Requested::of_file);
        assert_eq!(file, Ok(named));
        let file = Requested::new(u64::MAX, u64::MAX, Rights::INHERITABLE).map(Requested::of_file);
        assert_eq!(file, Ok(Rights::OF_FILE));
        let file = Requested::new(0, 0, Rights::INHERITABLE).map(Requested::of_file);
        let rest = Rights::OF_FILE.difference(Rights::ACCESS | Rights::OF_WRITER);
        assert_eq!(file, Ok(rest));
    }
}
