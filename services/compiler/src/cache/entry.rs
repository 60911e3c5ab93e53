//! The format of an entry: a block of 4 KiB with a header, then the contents.

use blake3::{Hash, Hasher};
use capos_schema::errno_capnp::Errno;

use super::folder::PIECE_BYTES;
use super::{File, Space, Unusable};
use crate::name::Name;

/// Identifies the format.
const MAGIC: [u8; 8] = *b"capOScd1";
/// The length of the header: contents begin at a block of the volume.
const HEADER_BYTES: usize = 4096;
/// The part of it that is used: magic, length of the contents, code of authenticity.
const USED_BYTES: usize = 48;

/// Computes codes of authenticity for one name.
pub(super) struct Seal([u8; 32]);

impl Seal {
    /// For `name`, with the cache's key for it.
    pub(super) fn new(key: &[u8; 32], name: &Name) -> Self {
        Self(*blake3::keyed_hash(key, name.bytes()).as_bytes())
    }

    /// The hash of contents, which come first so that their pieces are aligned to the hash's own.
    fn contents(&self) -> Hasher {
        Hasher::new_keyed(&self.0)
    }
}

fn finish(mut contents: Hasher, length: u64) -> Hash {
    contents.update(&length.to_le_bytes());
    contents.update(&MAGIC);
    contents.finalize()
}

/// The size of the file for `contents`.
pub(super) fn file_bytes(contents: &[u8]) -> u64 {
    (HEADER_BYTES + contents.len()) as u64
}

/// Writes an entry.
pub(super) async fn write(file: &File, seal: &Seal, contents: &[u8]) -> Result<(), Errno> {
    let length = contents.len() as u64;
    let mut hasher = seal.contents();
    hasher.update(contents);
    let mut header = vec![0; HEADER_BYTES];
    let fields = MAGIC
        .iter()
        .chain(&length.to_le_bytes())
        .chain(finish(hasher, length).as_bytes())
        .copied()
        .collect::<Vec<_>>();
    for (to, from) in header.iter_mut().zip(fields) {
        *to = from;
    }
    file.write(0, &header).await?;
    let mut offset = HEADER_BYTES as u64;
    for piece in contents.chunks(PIECE_BYTES) {
        file.write(offset, piece).await?;
        offset += piece.len() as u64;
    }
    Ok(())
}

/// Reads an entry into `space`, and returns the length of its contents. They are checked as they are read, so nothing may
/// use them before this returns.
pub(super) async fn read(file: &File, seal: &Seal, space: &impl Space) -> Result<u64, Unusable> {
    let mut header = [0; USED_BYTES];
    let filled = file.read(0, USED_BYTES, |piece| {
        let fits = piece.len() == header.len();
        if fits {
            header.copy_from_slice(piece);
        }
        fits
    });
    if !filled.await? {
        return Err(Unusable::Rejected);
    }
    let (magic, rest) = header.split_at(8);
    let (length, code) = rest.split_at(8);
    let length = u64::from_le_bytes(length.try_into().map_err(|_| Unusable::Rejected)?);
    let code: [u8; 32] = code.try_into().map_err(|_| Unusable::Rejected)?;
    if magic != MAGIC || length == 0 || file.bytes() != length.saturating_add(HEADER_BYTES as u64) {
        return Err(Unusable::Rejected);
    }
    space.create(length).await.map_err(Unusable::NoSpace)?;
    let mut hasher = seal.contents();
    let mut offset = 0;
    while (offset as u64) < length {
        let wanted = PIECE_BYTES.min(usize::try_from(length - offset as u64).unwrap_or(PIECE_BYTES));
        let mut got = 0;
        let fits = file.read((HEADER_BYTES + offset) as u64, wanted, |piece| {
            got = piece.len();
            hasher.update(piece);
            got != 0 && got <= wanted && space.write(offset, piece)
        });
        if !fits.await? {
            return Err(Unusable::Rejected);
        }
        offset += got;
    }
    // Compared in constant time.
    if finish(hasher, length) != Hash::from_bytes(code) {
        return Err(Unusable::Rejected);
    }
    Ok(length)
}
