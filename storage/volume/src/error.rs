//! Errors, one variant for each WASI errno that a volume can return.

use std::fmt;

/// An error of a volume operation. [`Error::errno`] is its WASI Preview 1 number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Error {
    /// The handle or namespace lacks the right to do this (`EACCES`).
    Access = 2,
    /// The object is in use in a way that forbids this, such as renaming a root (`EBUSY`).
    Busy = 10,
    /// A quota of a directory tree is exhausted (`EDQUOT`).
    Quota = 19,
    /// The name already exists (`EEXIST`).
    Exists = 20,
    /// The file would become larger than a volume supports (`EFBIG`).
    TooBig = 22,
    /// The path or name is not UTF-8 (`EILSEQ`).
    NotUtf8 = 25,
    /// An invalid argument (`EINVAL`).
    Invalid = 28,
    /// The device failed, or the volume failed earlier and must be opened again (`EIO`).
    Io = 29,
    /// A directory where a file is needed (`EISDIR`).
    IsDirectory = 31,
    /// Too many symbolic links on the way, or one where none may be followed (`ELOOP`).
    Loop = 32,
    /// Too many objects are open (`EMFILE`).
    TooManyOpen = 33,
    /// An inode has the maximum number of hard links (`EMLINK`).
    TooManyLinks = 34,
    /// A name is longer than 255 bytes, or a path or link target too long (`ENAMETOOLONG`).
    NameTooLong = 37,
    /// No such file or directory (`ENOENT`).
    NotFound = 44,
    /// Not enough memory for the request (`ENOMEM`).
    NoMemory = 48,
    /// The volume is full: no blocks, or no space for inodes and names (`ENOSPC`).
    NoSpace = 51,
    /// A file where a directory is needed (`ENOTDIR`).
    NotDirectory = 54,
    /// The directory is not empty (`ENOTEMPTY`).
    NotEmpty = 55,
    /// The operation is not meaningful for this kind of object (`ENOTSUP`).
    NotSupported = 58,
    /// The path leads out of its namespace, or the operation is never allowed (`EPERM`).
    NotPermitted = 63,
    /// The volume is read-only (`EROFS`).
    ReadOnly = 69,
    /// Source and target are in different volumes or quota trees (`EXDEV`).
    CrossDevice = 75,
    /// The namespace was granted without this right (`ENOTCAPABLE`).
    NotCapable = 76,
    /// Stored bytes fail their checksum. WASI has no separate number for it, so [`Error::errno`] returns
    /// `EIO`; the value here only keeps the variants distinct.
    Corrupt = 0x100,
}

impl Error {
    /// The WASI Preview 1 errno.
    pub fn errno(self) -> u16 {
        match self {
            Self::Corrupt => Self::Io as u16,
            other => other as u16,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access => "permission denied",
            Self::Busy => "in use",
            Self::Quota => "quota exhausted",
            Self::Exists => "already exists",
            Self::TooBig => "file too large",
            Self::NotUtf8 => "not UTF-8",
            Self::Invalid => "invalid argument",
            Self::Io => "device error",
            Self::IsDirectory => "is a directory",
            Self::Loop => "too many symbolic links",
            Self::TooManyOpen => "too many open files",
            Self::TooManyLinks => "too many hard links",
            Self::NameTooLong => "name too long",
            Self::NotFound => "no such file or directory",
            Self::NoMemory => "out of memory",
            Self::NoSpace => "no space left on the volume",
            Self::NotDirectory => "not a directory",
            Self::NotEmpty => "directory not empty",
            Self::NotSupported => "not supported",
            Self::NotPermitted => "not permitted",
            Self::ReadOnly => "read-only volume",
            Self::CrossDevice => "crosses a volume or quota boundary",
            Self::NotCapable => "right not granted",
            Self::Corrupt => "stored data is corrupt",
        })
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(_: std::io::Error) -> Self {
        Self::Io
    }
}

/// The result of a volume operation.
pub type Result<T> = std::result::Result<T, Error>;
