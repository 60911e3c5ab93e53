//! `fd_readdir`.

use super::{
    Context, Errno, GuestMemory, Stop,
    descriptor::{FileType, Object},
    memory::Claim,
    rights::Rights,
};
use crate::resources::{Directory, Entry, More};

const DIRENT_BYTES: usize = 24;

/// The cookies of the entries after `.` and after `..`. The service's cookies are shifted by the latter.
const AFTER_DOT: u64 = 1;
const AFTER_DOTDOT: u64 = 2;

/// The guest's buffer while it is filled.
struct Listing<'a> {
    memory: &'a GuestMemory,
    offset: u32,
    left: u32,
    used: u32,
}

impl Listing<'_> {
    /// Adds an entry, truncated to the available space.
    fn add(&mut self, name: &str, inode: u64, kind: FileType, next: u64) -> Result<(), Errno> {
        let mut head = [0; DIRENT_BYTES];
        head[..8].copy_from_slice(&next.to_le_bytes());
        head[8..16].copy_from_slice(&inode.to_le_bytes());
        let name_len = u32::try_from(name.len()).map_err(|_| Errno::Overflow)?;
        head[16..20].copy_from_slice(&name_len.to_le_bytes());
        head[20] = kind as u8;
        self.put(&head)?;
        self.put(name.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let part = bytes.get(..self.left as usize).unwrap_or(bytes);
        self.memory.write_bytes(self.offset, part)?;
        let count = part.len() as u32;
        self.offset = self.offset.wrapping_add(count);
        self.left -= count;
        self.used += count;
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }
}

/// `fd_readdir`: the entries after `cookie`, with `.` and `..` first. The last one is truncated at the end of the
/// buffer; a buffer that is not full means that there are no more.
pub(super) async fn read(
    context: &mut Context,
    memory: &GuestMemory,
    fd: u32,
    buffer: u32,
    buffer_len: u32,
    cookie: u64,
    used: u32,
) -> Result<(), Stop> {
    let descriptor = context.descriptor(fd)?;
    let Object::Directory(directory) = &descriptor.object else { return Err(Errno::Badf.into()) };
    descriptor.need(Rights::FD_READDIR)?;
    let directory = &directory.directory;
    memory.check(Claim { offset: buffer, len_bytes: buffer_len })?;
    memory.check_u32(used)?;
    let mut listing = Listing { memory, offset: buffer, left: buffer_len, used: 0 };
    if cookie < AFTER_DOT && !listing.is_full() {
        listing.add(".", directory.stat().await?.inode, FileType::Directory, AFTER_DOT)?;
    }
    if cookie < AFTER_DOTDOT && !listing.is_full() {
        listing.add("..", directory.parent().await?.inode, FileType::Directory, AFTER_DOTDOT)?;
    }
    let mut next = cookie.saturating_sub(AFTER_DOTDOT);
    while !listing.is_full() {
        match list(directory, &mut listing, next).await? {
            Some(cookie) => next = cookie,
            None => break,
        }
    }
    Ok(memory.write_u32(used, listing.used)?)
}

/// Adds the entries from one request. Returns the cookie to continue with, unless there are no more.
async fn list(directory: &Directory, listing: &mut Listing<'_>, cookie: u64) -> Result<Option<u64>, Errno> {
    let max_bytes = listing.left;
    let each = |entry: Entry<'_>| {
        let name = std::str::from_utf8(entry.name).map_err(|_| Errno::Ilseq)?;
        let shown = entry.cookie.checked_add(AFTER_DOTDOT).ok_or(Errno::Overflow)?;
        listing.add(name, entry.inode, entry.kind.into(), shown)?;
        Ok(if listing.is_full() { More::Enough } else { More::Wanted })
    };
    directory.entries(cookie, max_bytes, each).await
}
