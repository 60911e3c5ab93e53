//! Checks the consistency of a whole volume.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::layout::BLOCK;
use crate::map::{GROUP, Group, block_sum};
use crate::record::{Entry, Ino, Inode, Kind, ROOT, key_ino, split_key2, tag};
use crate::volume::{Mode, Volume};

/// A fault in a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A file block that fails its checksum or cannot be read.
    BadBlock {
        /// The file.
        ino: Ino,
        /// Offset of the block.
        offset: u64,
    },
    /// Number of metadata pages that are damaged in both copies.
    LostPages(u64),
    /// Metadata that operations of this library cannot have produced.
    Inconsistent {
        /// The inode concerned.
        ino: Ino,
        /// The fault.
        what: &'static str,
    },
}

/// The findings of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The faults found; empty if there are none.
    pub problems: Vec<Problem>,
    /// Metadata pages of which one copy was damaged or torn, and was repaired.
    pub mended: u64,
    /// Inodes checked.
    pub inodes: u64,
    /// Blocks of file data checked.
    pub blocks: u64,
    /// Bytes of metadata pages in use.
    pub meta_bytes: u64,
    /// Limit of `meta_bytes` beyond which names are refused.
    pub meta_bytes_max: u64,
}

#[derive(Default)]
struct Seen {
    inodes: BTreeMap<Ino, Inode>,
    entries: HashMap<(Ino, String), Entry>,
    listings: HashMap<(Ino, String), Entry>,
    orphans: HashSet<Ino>,
    stored: HashMap<Ino, u64>,
    places: HashSet<u32>,
}

impl Volume {
    /// Checks that names and inodes agree, that no block has two owners, and every checksum. Syncs first.
    /// Repairs metadata from its second copy.
    pub fn check(&mut self) -> Result<Report> {
        if self.mode() == Mode::ReadWrite {
            self.sync()?;
        }
        let mut report = Report::default();
        let checked = self.check_records(&mut report).and_then(|()| self.store.count_pages());
        (report.meta_bytes, report.meta_bytes_max) = self.store.page_bytes();
        let usage = self.usage();
        report.mended = usage.mended + Frames::scrub(&self.device, self.geometry)?;
        match checked {
            // An unreadable record makes further checks meaningless.
            Err(_) if usage.lost > 0 => report.problems.push(Problem::LostPages(usage.lost)),
            Err(Error::Corrupt) => {
                report.problems.push(Problem::Inconsistent { ino: ROOT, what: "invalid record" });
            }
            other => other?,
        }
        Ok(report)
    }

    fn check_records(&mut self, report: &mut Report) -> Result<()> {
        let mut seen = Seen::default();
        let mut groups = Vec::new();
        self.store.scan(&[], &[u8::MAX], |key, value| {
            let ino = key_ino(key).ok_or(Error::Corrupt)?;
            match key.first() {
                Some(&tag::INODE) => {
                    seen.inodes.insert(ino, Inode::decode(value).ok_or(Error::Corrupt)?);
                }
                Some(&tag::ENTRY) => {
                    let name = key.get(9..).and_then(|name| std::str::from_utf8(name).ok());
                    let entry = Entry::decode(value).ok_or(Error::Corrupt)?;
                    seen.entries.insert((ino, name.ok_or(Error::Corrupt)?.to_owned()), entry);
                }
                Some(&tag::LISTING) => {
                    let (entry, name) = Entry::decode_listing(value).ok_or(Error::Corrupt)?;
                    seen.listings.insert((ino, name.to_owned()), entry);
                }
                Some(&tag::MAP) => groups.push(split_key2(key).ok_or(Error::Corrupt)?),
                Some(&tag::ORPHAN) => {
                    seen.orphans.insert(ino);
                }
                _ => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
        report.inodes = seen.inodes.len() as u64;
        for (ino, number) in groups {
            self.check_group(ino, number, &mut seen, report)?;
        }
        seen.judge(&mut report.problems);
        if self.inode_count != report.inodes {
            report.problems.push(Problem::Inconsistent { ino: ROOT, what: "wrong inode count" });
        }
        if u64::from(self.blocks.total() - self.blocks.free_after_commit()) != report.blocks {
            report.problems.push(Problem::Inconsistent { ino: ROOT, what: "wrong block count" });
        }
        Ok(())
    }

    fn check_group(&self, ino: Ino, number: u64, seen: &mut Seen, report: &mut Report) -> Result<()> {
        let group: Group = self.group(ino, number)?;
        let mut data = vec![0; BLOCK];
        for index in number * GROUP..(number + 1) * GROUP {
            let mapping = group.get(index);
            if mapping.is_hole() {
                continue;
            }
            report.blocks += 1;
            *seen.stored.entry(ino).or_default() += 1;
            if !seen.places.insert(mapping.block) {
                report.problems.push(Problem::Inconsistent { ino, what: "a block has two owners" });
            }
            let read = self.device.read_at(u64::from(mapping.block) * BLOCK as u64, &mut data);
            if read.is_err() || block_sum(ino, index, &data) != mapping.sum {
                report.problems.push(Problem::BadBlock { ino, offset: index * BLOCK as u64 });
            }
        }
        Ok(())
    }
}

impl Seen {
    /// Compares the collected records.
    fn judge(&self, problems: &mut Vec<Problem>) {
        let mut wrong = |ino, what| problems.push(Problem::Inconsistent { ino, what });
        if self.entries != self.listings {
            wrong(ROOT, "names and listings differ");
        }
        let mut names: HashMap<Ino, u32> = HashMap::new();
        let mut children: HashMap<Ino, (u64, u32)> = HashMap::new();
        for ((dir, _), entry) in &self.entries {
            let (count, directories) = children.entry(*dir).or_default();
            *count += 1;
            *directories += u32::from(entry.kind == Kind::Directory);
            *names.entry(entry.ino).or_default() += 1;
            match self.inodes.get(&entry.ino) {
                None => wrong(entry.ino, "a name refers to a missing inode"),
                Some(inode) if inode.kind != entry.kind => wrong(entry.ino, "a name has the wrong kind"),
                Some(inode) if inode.kind == Kind::Directory && inode.parent != *dir => {
                    wrong(entry.ino, "a directory has the wrong parent");
                }
                Some(_) => {}
            }
        }
        for (ino, inode) in &self.inodes {
            let named = names.get(ino).copied().unwrap_or(0);
            let (count, directories) = children.get(ino).copied().unwrap_or_default();
            let links = match inode.kind {
                Kind::Directory if inode.links == 0 => 0,
                Kind::Directory => 2 + directories,
                _ => named,
            };
            if inode.links != links {
                wrong(*ino, "wrong link count");
            }
            if (inode.links == 0) != self.orphans.contains(ino) {
                wrong(*ino, "wrong orphan record");
            }
            if inode.kind == Kind::Directory && *ino != ROOT && named != u32::from(inode.links > 0) {
                wrong(*ino, "a directory does not have exactly one name");
            }
            if inode.kind == Kind::Directory && inode.size != count {
                wrong(*ino, "wrong entry count");
            }
            if inode.blocks != self.stored.get(ino).copied().unwrap_or(0) {
                wrong(*ino, "wrong block count of a file");
            }
        }
        for ino in self.stored.keys().filter(|ino| !self.inodes.contains_key(ino)) {
            wrong(*ino, "blocks without an inode");
        }
    }
}
