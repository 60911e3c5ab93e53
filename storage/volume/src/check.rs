//! Going through a whole volume to see whether it is what it should be.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::frames::Frames;
use crate::layout::BLOCK;
use crate::map::{GROUP, Group, block_sum};
use crate::record::{Entry, Ino, Inode, Kind, ROOT, key_ino, split_key2, tag};
use crate::volume::{Mode, Volume};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A block of a file fails its checksum or cannot be read.
    BadBlock {
        /// The file.
        ino: Ino,
        /// Offset of the block.
        offset: u64,
    },
    /// Metadata pages bad in both copies.
    LostPages(u64),
    /// Metadata that cannot have come about by operations of this library.
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
    /// The faults found; empty if all is well.
    pub problems: Vec<Problem>,
    /// Metadata pages that had one bad copy, by rot or by an interruption, and were mended.
    pub mended: u64,
    /// Inodes looked at.
    pub inodes: u64,
    /// Blocks of file data looked at.
    pub blocks: u64,
    /// Bytes of metadata pages in use.
    pub meta_bytes: u64,
    /// How many of them can be in use before there is no room for new names.
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
    /// Checks everything: that names and inodes agree, that no block has two owners, and every checksum. Syncs
    /// first. Mends what a second copy can mend.
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
            // What could not be read hides the rest.
            Err(_) if usage.lost > 0 => report.problems.push(Problem::LostPages(usage.lost)),
            Err(Error::Corrupt) => {
                report.problems.push(Problem::Inconsistent { ino: ROOT, what: "a record makes no sense" });
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
            report.problems.push(Problem::Inconsistent { ino: ROOT, what: "inodes are miscounted" });
        }
        if u64::from(self.blocks.total() - self.blocks.free_after_commit()) != report.blocks {
            report.problems.push(Problem::Inconsistent { ino: ROOT, what: "blocks are miscounted" });
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
    /// Compares what was seen.
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
                None => wrong(entry.ino, "a name leads to no inode"),
                Some(inode) if inode.kind != entry.kind => wrong(entry.ino, "a name is of another kind"),
                Some(inode) if inode.kind == Kind::Directory && inode.parent != *dir => {
                    wrong(entry.ino, "a directory has another parent");
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
                wrong(*ino, "links are miscounted");
            }
            if (inode.links == 0) != self.orphans.contains(ino) {
                wrong(*ino, "an inode without a name is not noted, or one with a name is");
            }
            if inode.kind == Kind::Directory && *ino != ROOT && named != u32::from(inode.links > 0) {
                wrong(*ino, "a directory has not one name");
            }
            if inode.kind == Kind::Directory && inode.size != count {
                wrong(*ino, "entries are miscounted");
            }
            if inode.blocks != self.stored.get(ino).copied().unwrap_or(0) {
                wrong(*ino, "blocks of a file are miscounted");
            }
        }
        for ino in self.stored.keys().filter(|ino| !self.inodes.contains_key(ino)) {
            wrong(*ino, "blocks belong to no inode");
        }
    }
}
