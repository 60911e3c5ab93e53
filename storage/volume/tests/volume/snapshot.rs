//! The user-visible state of a volume, for comparison.

use std::collections::BTreeMap;
use std::sync::Arc;

use capos_volume::{Error, Kind, ROOT, Volume};

/// A file, directory or link as seen under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) ino: u64,
    pub(crate) links: u32,
    pub(crate) modified_ns: u64,
    pub(crate) what: What,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum What {
    File(Arc<Vec<u8>>),
    /// Names in the order of listing.
    Directory(Vec<String>),
    Symlink(String),
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(data) => {
                let sum = data
                    .iter()
                    .enumerate()
                    .fold(0u64, |s, (i, b)| s.wrapping_mul(31) + u64::from(*b) + i as u64);
                write!(f, "File({} bytes, {sum:x})", data.len())
            }
            Self::Directory(names) => write!(f, "Directory({names:?})"),
            Self::Symlink(target) => write!(f, "Symlink({target})"),
        }
    }
}

/// Everything, by path.
pub(crate) type Snapshot = BTreeMap<String, Seen>;

/// Reads all of a volume.
pub(crate) fn snapshot(volume: &mut Volume) -> Result<Snapshot, Error> {
    let mut seen = BTreeMap::new();
    let mut waiting = vec![(String::new(), ROOT)];
    while let Some((path, ino)) = waiting.pop() {
        let stat = volume.stat(ino)?;
        let what = match stat.kind {
            Kind::File => {
                let mut data = vec![0xaa; stat.size as usize];
                let mut done = 0;
                while done < data.len() {
                    let count = volume.read(ino, done as u64, &mut data[done..])?;
                    assert!(count > 0, "a read within the file came to nothing");
                    done += count;
                }
                What::File(Arc::new(data))
            }
            Kind::Symlink => What::Symlink(volume.read_link(ino)?),
            Kind::Directory => {
                let mut names = Vec::new();
                let mut cookie = 0;
                loop {
                    let page = volume.read_dir(ino, cookie, 3)?;
                    let Some(last) = page.last() else { break };
                    cookie = last.entry.cookie;
                    for listed in page {
                        waiting.push((format!("{path}/{}", listed.name), listed.entry.ino));
                        names.push(listed.name);
                    }
                }
                What::Directory(names)
            }
        };
        let modified_ns = stat.modified_ns;
        seen.insert(path, Seen { ino, links: stat.links, modified_ns, what });
    }
    Ok(seen)
}
