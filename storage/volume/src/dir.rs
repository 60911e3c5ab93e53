//! Directories: names and the inodes they refer to.

use std::ops::ControlFlow;

use crate::error::{Error, Result};
use crate::record::{Entry, FIRST_COOKIE, Ino, Inode, Kind, ROOT, entry_key, key, key2, tag};
use crate::volume::{CachedInode, Volume};

/// Maximum length of a name, in bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// Maximum length of a symbolic link's target, in bytes.
pub const MAX_TARGET_BYTES: usize = 2000;

/// Maximum number of hard links to a file.
const MAX_LINKS: u32 = 65_000;

/// An entry of a directory and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The inode it refers to.
    pub entry: Entry,
    /// Its name.
    pub name: String,
}

/// Checks that a name is valid for an entry.
pub(crate) fn check_name(name: &str) -> Result<()> {
    if name.len() > MAX_NAME_BYTES {
        return Err(Error::NameTooLong);
    }
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::Invalid);
    }
    Ok(())
}

impl Volume {
    fn directory(&mut self, dir: Ino) -> Result<&Inode> {
        let inode = self.inode(dir)?;
        if inode.kind == Kind::Directory { Ok(inode) } else { Err(Error::NotDirectory) }
    }

    /// A directory that accepts new names: one that was not itself removed.
    fn living_directory(&mut self, dir: Ino) -> Result<&Inode> {
        let inode = self.directory(dir)?;
        if inode.links == 0 { Err(Error::NotFound) } else { Ok(inode) }
    }

    /// Finds `name` in `dir`. `.` and `..` are not names.
    pub fn lookup(&mut self, dir: Ino, name: &str) -> Result<Entry> {
        self.find(dir, name)?.ok_or(Error::NotFound)
    }

    pub(crate) fn find(&mut self, dir: Ino, name: &str) -> Result<Option<Entry>> {
        self.directory(dir)?;
        check_name(name)?;
        self.store.get(&entry_key(dir, name), Entry::decode)
    }

    /// The directory that contains `dir`; the root contains itself.
    pub fn parent(&mut self, dir: Ino) -> Result<Ino> {
        Ok(self.directory(dir)?.parent)
    }

    /// Lists up to `most` entries after `cookie`; 0 is the start. An entry keeps its cookie as long as it
    /// exists, whatever else is created or removed.
    pub fn read_dir(&mut self, dir: Ino, cookie: u64, most: usize) -> Result<Vec<Listed>> {
        self.directory(dir)?;
        let mut listed = Vec::new();
        let start = key2(tag::LISTING, dir, cookie.saturating_add(1).max(FIRST_COOKIE));
        self.store.scan(&start, &key2(tag::LISTING, dir, u64::MAX), |_, value| {
            if listed.len() >= most {
                return Ok(ControlFlow::Break(()));
            }
            let (entry, name) = Entry::decode_listing(value).ok_or(Error::Corrupt)?;
            listed.push(Listed { entry, name: name.to_owned() });
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(listed)
    }

    /// Creates an empty file.
    pub fn create_file(&mut self, dir: Ino, name: &str) -> Result<Ino> {
        self.make(dir, name, Kind::File, None)
    }

    /// Creates an empty directory.
    pub fn create_dir(&mut self, dir: Ino, name: &str) -> Result<Ino> {
        self.make(dir, name, Kind::Directory, None)
    }

    /// Creates a symbolic link. The target is any text; it need not exist.
    pub fn create_symlink(&mut self, dir: Ino, name: &str, target: &str) -> Result<Ino> {
        if target.is_empty() {
            return Err(Error::NotFound);
        }
        if target.contains('\0') {
            return Err(Error::Invalid);
        }
        if target.len() > MAX_TARGET_BYTES {
            return Err(Error::NameTooLong);
        }
        self.make(dir, name, Kind::Symlink, Some(target))
    }

    fn make(&mut self, dir: Ino, name: &str, kind: Kind, target: Option<&str>) -> Result<Ino> {
        self.begin()?;
        let quota = self.living_directory(dir)?.quota;
        if self.find(dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        let target_bytes = target.map_or(0, str::len);
        self.need_meta((256 + 2 * name.len() + target_bytes) as u64)?;
        if self.quotas.inodes_left(quota) == 0 {
            return Err(Error::Quota);
        }
        let now_ns = self.now_ns();
        let ino = self.next_ino;
        let mut inode = Inode::new(kind, quota, now_ns);
        inode.size = target_bytes as u64;
        if kind == Kind::Directory {
            inode.links = 2;
            inode.parent = dir;
        }
        let made = self.store_new(dir, name, ino, inode, target);
        self.note(made)?;
        Ok(ino)
    }

    fn store_new(
        &mut self,
        dir: Ino,
        name: &str,
        ino: Ino,
        inode: Inode,
        target: Option<&str>,
    ) -> Result<()> {
        self.next_ino += 1;
        self.store.add(&key(tag::INODE, ino), &inode.encode())?;
        if let Some(target) = target {
            self.store.add(&key(tag::TARGET, ino), target.as_bytes())?;
        }
        let (kind, quota) = (inode.kind, inode.quota);
        self.inodes.insert(ino, CachedInode { inode, dirty: false });
        self.inode_count += 1;
        self.quotas.charge(quota, 0, 1);
        self.attach(dir, name, ino, kind)
    }

    /// Adds a name. The caller has checked that it is new, and that there is space.
    fn attach(&mut self, dir: Ino, name: &str, ino: Ino, kind: Kind) -> Result<()> {
        let now_ns = self.now_ns();
        let parent = self.inode_mut(dir)?;
        let entry = Entry { ino, kind, cookie: parent.next_cookie };
        parent.next_cookie += 1;
        parent.size += 1;
        parent.links += u32::from(kind == Kind::Directory);
        (parent.modified_ns, parent.changed_ns) = (now_ns, now_ns);
        self.store.add(&entry_key(dir, name), &entry.encode())?;
        self.store.add(&key2(tag::LISTING, dir, entry.cookie), &entry.encode_listing(name))
    }

    /// Removes a name.
    fn detach(&mut self, dir: Ino, name: &str, entry: Entry) -> Result<()> {
        self.store.remove(&entry_key(dir, name))?;
        self.store.remove(&key2(tag::LISTING, dir, entry.cookie))?;
        let now_ns = self.now_ns();
        let parent = self.inode_mut(dir)?;
        parent.size = parent.size.saturating_sub(1);
        parent.links -= u32::from(entry.kind == Kind::Directory && parent.links > 0);
        (parent.modified_ns, parent.changed_ns) = (now_ns, now_ns);
        Ok(())
    }

    /// Removes one link from an inode and, with the last link, the inode itself, at once or when it is
    /// closed.
    fn unlink_inode(&mut self, ino: Ino) -> Result<()> {
        let now_ns = self.now_ns();
        let inode = self.inode_mut(ino)?;
        inode.changed_ns = now_ns;
        inode.links = if inode.kind == Kind::Directory { 0 } else { inode.links.saturating_sub(1) };
        if inode.links > 0 {
            return Ok(());
        }
        if self.opens.contains_key(&ino) {
            self.store.put(&key(tag::ORPHAN, ino), &[])
        } else {
            self.reclaim(ino)
        }
    }

    /// Removes an inode that has no name and is not open, with its data.
    pub(crate) fn reclaim(&mut self, ino: Ino) -> Result<()> {
        let (kind, quota) = self.inode(ino).map(|inode| (inode.kind, inode.quota))?;
        match kind {
            Kind::File => self.cut(ino, 0)?,
            Kind::Symlink => {
                self.store.remove(&key(tag::TARGET, ino))?;
            }
            Kind::Directory => {}
        }
        self.store.remove(&key(tag::INODE, ino))?;
        self.inodes.remove(&ino);
        self.inode_count = self.inode_count.saturating_sub(1);
        self.quotas.charge(quota, 0, -1);
        // The directory itself may be removed before its last entries, if one of those was open.
        if self.quotas.drop_empty(quota) {
            self.store.remove(&key(tag::QUOTA, u64::from(quota)))?;
        }
        Ok(())
    }

    /// Like `reclaim`, for an inode recorded as having no name while open.
    pub(crate) fn reclaim_orphan(&mut self, ino: Ino) -> Result<()> {
        self.reclaim(ino)?;
        self.store.remove(&key(tag::ORPHAN, ino))
    }

    /// Removes the name of a file or symbolic link.
    pub fn unlink(&mut self, dir: Ino, name: &str) -> Result<()> {
        self.begin()?;
        let entry = self.lookup(dir, name)?;
        if entry.kind == Kind::Directory {
            return Err(Error::IsDirectory);
        }
        let removed = self.remove_entry(dir, name, entry);
        self.note(removed)
    }

    /// Removes an empty directory.
    pub fn remove_dir(&mut self, dir: Ino, name: &str) -> Result<()> {
        self.begin()?;
        let entry = self.lookup(dir, name)?;
        if entry.kind != Kind::Directory {
            return Err(Error::NotDirectory);
        }
        if self.inode(entry.ino)?.size > 0 {
            return Err(Error::NotEmpty);
        }
        let removed = self.remove_entry(dir, name, entry);
        self.note(removed)
    }

    fn remove_entry(&mut self, dir: Ino, name: &str, entry: Entry) -> Result<()> {
        self.detach(dir, name, entry)?;
        self.unlink_inode(entry.ino)
    }

    /// Gives a file or symbolic link another name.
    pub fn link(&mut self, ino: Ino, dir: Ino, name: &str) -> Result<()> {
        self.begin()?;
        let dir_quota = self.living_directory(dir)?.quota;
        let Inode { kind, links, quota, .. } = *self.inode(ino)?;
        if kind == Kind::Directory {
            return Err(Error::NotPermitted);
        }
        if links == 0 {
            return Err(Error::NotFound);
        }
        if links >= MAX_LINKS {
            return Err(Error::TooManyLinks);
        }
        if self.find(dir, name)?.is_some() {
            return Err(Error::Exists);
        }
        if quota != dir_quota {
            return Err(Error::CrossDevice);
        }
        self.need_meta((128 + 2 * name.len()) as u64)?;
        let now_ns = self.now_ns();
        let linked = self.attach(dir, name, ino, kind);
        self.note(linked)?;
        let inode = self.inode_mut(ino)?;
        inode.links += 1;
        inode.changed_ns = now_ns;
        Ok(())
    }

    /// Moves a name, replacing the target atomically. A directory replaces only an empty directory and never
    /// moves into itself; if both names refer to the same file, nothing changes.
    pub fn rename(&mut self, from: Ino, name: &str, to: Ino, new_name: &str) -> Result<()> {
        self.begin()?;
        let entry = self.lookup(from, name)?;
        let to_quota = self.living_directory(to)?.quota;
        let replaced = self.find(to, new_name)?;
        if replaced.is_some_and(|old| old.ino == entry.ino) {
            return Ok(());
        }
        if entry.kind == Kind::Directory && self.is_within(to, entry.ino)? {
            return Err(Error::Invalid);
        }
        if let Some(old) = replaced {
            match (entry.kind == Kind::Directory, old.kind == Kind::Directory) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                (true, true) if self.inode(old.ino)?.size > 0 => return Err(Error::NotEmpty),
                _ => {}
            }
        }
        let moved_quota = self.may_move(entry, from, to_quota)?;
        if new_name.len() > name.len() {
            self.need_meta((64 + 2 * new_name.len()) as u64)?;
        }
        let moved = self.move_entry((from, name), (to, new_name), entry, replaced);
        self.note(moved)?;
        if moved_quota && let Inode { quota, blocks, .. } = *self.inode(entry.ino)? {
            self.inode_mut(entry.ino)?.quota = to_quota;
            self.quotas.charge(quota, -(blocks as i64), -1);
            self.quotas.charge(to_quota, blocks as i64, 1);
        }
        Ok(())
    }

    /// Whether a move charges another quota tree, and whether that tree has space.
    fn may_move(&mut self, entry: Entry, from: Ino, to_quota: u32) -> Result<bool> {
        let from_quota = self.inode(from)?.quota;
        let Inode { quota, blocks, links, .. } = *self.inode(entry.ino)?;
        if from_quota == to_quota || quota != from_quota {
            // Within one tree; or the root of a tree, which keeps its tree anywhere as long as the enclosing
            // trees are the same.
            return if from_quota == to_quota { Ok(false) } else { Err(Error::CrossDevice) };
        }
        if entry.kind == Kind::Directory || links > 1 {
            return Err(Error::CrossDevice);
        }
        if self.quotas.blocks_left(to_quota) < blocks || self.quotas.inodes_left(to_quota) == 0 {
            return Err(Error::Quota);
        }
        Ok(true)
    }

    fn move_entry(
        &mut self,
        (from, name): (Ino, &str),
        (to, new_name): (Ino, &str),
        entry: Entry,
        replaced: Option<Entry>,
    ) -> Result<()> {
        if let Some(old) = replaced {
            self.remove_entry(to, new_name, old)?;
        }
        self.detach(from, name, entry)?;
        self.attach(to, new_name, entry.ino, entry.kind)?;
        let now_ns = self.now_ns();
        let inode = self.inode_mut(entry.ino)?;
        inode.changed_ns = now_ns;
        if entry.kind == Kind::Directory {
            inode.parent = to;
        }
        Ok(())
    }

    /// Whether `dir` is `ancestor` or below it.
    pub fn is_within(&mut self, mut dir: Ino, ancestor: Ino) -> Result<bool> {
        // No path is deeper than the number of inodes, so a cycle in a forged image terminates.
        for _ in 0..=self.inode_count {
            if dir == ancestor {
                return Ok(true);
            }
            if dir == ROOT {
                return Ok(false);
            }
            dir = self.inode(dir)?.parent;
        }
        Err(Error::Corrupt)
    }
}
