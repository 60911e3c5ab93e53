//! The records of the metadata store: their keys, in the sort order that the volume needs, and their values.

/// Keys and values in the store.
pub(crate) type Bytes = &'static [u8];

/// Bytes that redb adds to each record: two lengths, and its share of page headers.
const RECORD_OVERHEAD: u64 = 12;

/// The size that a record counts for in [`Store::record_bytes`](crate::store::Store::record_bytes).
pub(crate) fn size_of_record(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + RECORD_OVERHEAD
}

/// An inode number. Never reused within a volume.
pub type Ino = u64;

/// The root directory.
pub const ROOT: Ino = 1;

/// The kind of an inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
}

impl Kind {
    fn tag(self) -> u8 {
        match self {
            Self::File => 1,
            Self::Directory => 2,
            Self::Symlink => 3,
        }
    }

    fn from_tag(tag: u8) -> Option<Self> {
        Some(match tag {
            1 => Self::File,
            2 => Self::Directory,
            3 => Self::Symlink,
            _ => return None,
        })
    }
}

/// First byte of a key: the kind of record.
pub(crate) mod tag {
    /// The volume's own record: the next inode number.
    pub(crate) const VOLUME: u8 = 0;
    pub(crate) const INODE: u8 = 1;
    /// Directory and name → entry.
    pub(crate) const ENTRY: u8 = 2;
    /// Directory and cookie → name and entry: the order of listing.
    pub(crate) const LISTING: u8 = 3;
    /// File and group number → block map.
    pub(crate) const MAP: u8 = 4;
    /// Inodes without a name that were open.
    pub(crate) const ORPHAN: u8 = 5;
    /// Target of a symbolic link.
    pub(crate) const TARGET: u8 = 6;
    /// Quota trees.
    pub(crate) const QUOTA: u8 = 7;
}

/// A key of `tag` and an inode number.
pub(crate) fn key(tag: u8, ino: Ino) -> [u8; 9] {
    let mut key = [tag; 9];
    key[1..].copy_from_slice(&ino.to_be_bytes());
    key
}

/// A key of `tag`, an inode number, and a number below it.
pub(crate) fn key2(tag: u8, ino: Ino, below: u64) -> [u8; 17] {
    let mut out = [0; 17];
    out[..9].copy_from_slice(&key(tag, ino));
    out[9..].copy_from_slice(&below.to_be_bytes());
    out
}

/// The key of a directory entry.
pub(crate) fn entry_key(dir: Ino, name: &str) -> Vec<u8> {
    [&key(tag::ENTRY, dir)[..], name.as_bytes()].concat()
}

/// Splits a key made by [`key2`].
pub(crate) fn split_key2(key: &[u8]) -> Option<(Ino, u64)> {
    let (ino, below) = key.get(1..)?.split_first_chunk::<8>()?;
    Some((u64::from_be_bytes(*ino), u64::from_be_bytes(below.try_into().ok()?)))
}

/// The inode number of a key.
pub(crate) fn key_ino(key: &[u8]) -> Option<Ino> {
    Some(u64::from_be_bytes(*key.get(1..)?.first_chunk()?))
}

/// Decodes consecutive little-endian numbers.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*first))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*first))
    }
}

/// The record of a file, directory or link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) kind: Kind,
    pub(crate) links: u32,
    /// Bytes of a file or target; entries of a directory.
    pub(crate) size: u64,
    /// Data blocks that are or will be stored.
    pub(crate) blocks: u64,
    pub(crate) accessed_ns: u64,
    pub(crate) modified_ns: u64,
    pub(crate) changed_ns: u64,
    /// The quota tree to which it is charged; 0 for none.
    pub(crate) quota: u32,
    /// For a directory: its parent.
    pub(crate) parent: Ino,
    /// For a directory: the cookie of the next new entry.
    pub(crate) next_cookie: u64,
}

impl Inode {
    pub(crate) fn new(kind: Kind, quota: u32, now_ns: u64) -> Self {
        Self {
            kind,
            links: 1,
            size: 0,
            blocks: 0,
            accessed_ns: now_ns,
            modified_ns: now_ns,
            changed_ns: now_ns,
            quota,
            parent: 0,
            next_cookie: FIRST_COOKIE,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(73);
        out.push(self.kind.tag());
        out.extend_from_slice(&self.links.to_le_bytes());
        out.extend_from_slice(&self.quota.to_le_bytes());
        let times = [self.accessed_ns, self.modified_ns, self.changed_ns];
        for field in [self.size, self.blocks].into_iter().chain(times) {
            out.extend_from_slice(&field.to_le_bytes());
        }
        if self.kind == Kind::Directory {
            out.extend_from_slice(&self.parent.to_le_bytes());
            out.extend_from_slice(&self.next_cookie.to_le_bytes());
        }
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let kind = Kind::from_tag(reader.u8()?)?;
        let (links, quota) = (reader.u32()?, reader.u32()?);
        let (size, blocks) = (reader.u64()?, reader.u64()?);
        let (accessed_ns, modified_ns, changed_ns) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (parent, next_cookie) =
            if kind == Kind::Directory { (reader.u64()?, reader.u64()?) } else { (0, FIRST_COOKIE) };
        Some(Self {
            kind,
            links,
            size,
            blocks,
            accessed_ns,
            modified_ns,
            changed_ns,
            quota,
            parent,
            next_cookie,
        })
    }
}

/// Cookies 1 and 2 are reserved for `.` and `..`, which WASI lists and volumes do not store.
pub(crate) const FIRST_COOKIE: u64 = 3;

/// The inode that a name refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The inode.
    pub ino: Ino,
    /// Its kind.
    pub kind: Kind,
    /// The entry's position in its directory's listing.
    pub cookie: u64,
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(17);
        out.push(self.kind.tag());
        out.extend_from_slice(&self.ino.to_le_bytes());
        out.extend_from_slice(&self.cookie.to_le_bytes());
        out
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        Some(Self { kind: Kind::from_tag(reader.u8()?)?, ino: reader.u64()?, cookie: reader.u64()? })
    }

    /// The record under the cookie: the entry and its name.
    pub(crate) fn encode_listing(&self, name: &str) -> Vec<u8> {
        [&self.encode(), name.as_bytes()].concat()
    }

    pub(crate) fn decode_listing(value: &[u8]) -> Option<(Self, &str)> {
        let (entry, name) = value.split_at_checked(17)?;
        Some((Self::decode(entry)?, std::str::from_utf8(name).ok()?))
    }
}
