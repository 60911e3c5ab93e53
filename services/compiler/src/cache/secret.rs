//! The cache's key, in a file.

use capos_schema::errno_capnp::Errno;

use super::entry::Seal;
use super::folder::Folder;
use crate::name::Name;

/// The name of its file.
pub(super) const FILE: &str = "key";
/// The name of the file that is being written.
const UNFINISHED: &str = "new-key";
/// Identifies the format.
const MAGIC: [u8; 8] = *b"capOSky1";
/// Magic, key, and a hash of both, by which a damaged file is recognised.
const FILE_BYTES: usize = 8 + 32 + 32;

/// The key from which all others are derived.
pub(super) struct Secret([u8; 32]);

impl Secret {
    /// The key in `folder`, or `random` if there is none, which then becomes that of the folder. The flag says that it is
    /// new.
    pub(super) async fn open(folder: &Folder, random: [u8; 32]) -> Result<(Self, bool), Errno> {
        match read(folder).await {
            Ok(Some(key)) => return Ok((Self(key), false)),
            Ok(None) => eprintln!("compiler: the key of the cache is damaged; the cache begins anew"),
            Err(Errno::NoEntry) => {}
            Err(error) => return Err(error),
        }
        let file = folder.create(UNFINISHED).await?;
        file.write(0, &contents(&random)).await?;
        file.sync().await?;
        folder.rename(UNFINISHED, FILE).await?;
        // Entries that are durable need their key.
        file.sync().await?;
        Ok((Self(random), true))
    }

    /// The key for names.
    pub(super) fn names(&self) -> [u8; 32] {
        blake3::derive_key("capOS compiler service 2026: names of code", &self.0)
    }

    /// The codes of authenticity for the entry `name`.
    pub(super) fn seal(&self, name: &Name) -> Seal {
        Seal::new(&blake3::derive_key("capOS compiler service 2026: entries of the cache", &self.0), name)
    }
}

/// The key in `folder`, or `None` if the file is damaged.
async fn read(folder: &Folder) -> Result<Option<[u8; 32]>, Errno> {
    let file = folder.open(FILE).await?;
    let mut key = None;
    file.read(0, FILE_BYTES + 1, |bytes| {
        let candidate = bytes.get(8..40).and_then(|key| <[u8; 32]>::try_from(key).ok());
        key = candidate.filter(|key| contents(key) == bytes);
        true
    })
    .await?;
    Ok(key)
}

/// The file for a key.
fn contents(key: &[u8; 32]) -> Vec<u8> {
    let mut contents = MAGIC.to_vec();
    contents.extend_from_slice(key);
    let hash = blake3::hash(&contents);
    contents.extend_from_slice(hash.as_bytes());
    contents
}
