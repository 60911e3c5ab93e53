//! An in-process file service, and convenient forms of the functions of Preview 1 for tests.

use super::{Fails, Guest, World};
use capos_fs::serve;
use capos_schema::file_capnp::{namespace, volume};
use capos_volume::{BlockDevice, FormatOptions, MemDevice, Options, Volume};
use capos_wasm::{Grants, Limits, Preopen};
use std::sync::Arc;

/// Addresses of strings and results in the guest's memory.
const PATH: u32 = 1024;
const PATH2: u32 = 8192;
const RESULT: u32 = 16;
const IOVEC: u32 = 256;
pub const BUFFER: u32 = 65536;

/// The first preopened directory.
pub const ROOT: u32 = 3;

pub mod right {
    pub const READ: u64 = 1 << 1;
    pub const SEEK: u64 = 1 << 2;
    pub const SET_FLAGS: u64 = 1 << 3;
    pub const TELL: u64 = 1 << 5;
    pub const WRITE: u64 = 1 << 6;
    pub const ALLOCATE: u64 = 1 << 8;
    pub const PATH_OPEN: u64 = 1 << 13;
    pub const PATH_FILESTAT_SET_SIZE: u64 = 1 << 19;
    pub const FILESTAT_GET: u64 = 1 << 21;
    pub const SET_SIZE: u64 = 1 << 22;
    pub const SET_TIMES: u64 = 1 << 23;
}

pub mod o {
    pub const CREAT: u32 = 1;
    pub const DIRECTORY: u32 = 2;
    pub const EXCL: u32 = 4;
    pub const TRUNC: u32 = 8;
}

pub mod fdflag {
    pub const APPEND: u32 = 1;
    pub const DSYNC: u32 = 2;
    pub const NONBLOCK: u32 = 4;
    pub const SYNC: u32 = 16;
}

/// A volume in memory.
pub fn volume(id: u64) -> volume::Client {
    let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(32 << 20));
    let options = FormatOptions { id, meta_bytes: Some(8 << 20) };
    Volume::format(&device, options, 0).expect("formatting");
    serve(Volume::open(device, Options::default()).expect("opening"))
}

/// A directory of a volume with the given rights out of `rwm`, created if it is missing; with a quota in bytes
/// unless that is 0.
pub fn namespace(
    world: &mut World,
    volume: &volume::Client,
    path: &str,
    rights: &str,
    quota_bytes: u64,
) -> namespace::Client {
    let mut request = volume.namespace_request();
    request.get().set_path(path.as_bytes());
    request.get().set_create(true);
    let mut set = request.get().init_rights();
    set.set_read(rights.contains('r'));
    set.set_write(rights.contains('w'));
    set.set_modify(rights.contains('m'));
    request.get().init_quota().set_bytes(quota_bytes);
    let response = world.block_on(request.send().promise).expect("a namespace");
    response.get().and_then(|results| results.get_directory()).expect("a namespace")
}

pub fn preopen(path: &str, directory: namespace::Client) -> Preopen {
    Preopen { path: path.into(), directory }
}

/// A guest with an empty directory preopened as "/".
pub fn guest() -> Guest {
    let mut world = World::new();
    let root = namespace(&mut world, &volume(7), "/", "rwm", 0);
    let grants = Grants { preopens: vec![preopen("/", root)], ..world.all_grants() };
    Guest::new(world, grants, Limits::default())
}

/// The result of `fd_fdstat_get`: type, flags, base and inheriting rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdStat {
    pub file_type: u8,
    pub flags: u32,
    pub base: u64,
    pub inheriting: u64,
}

/// The result of the `filestat` functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    pub device: u64,
    pub inode: u64,
    pub file_type: u8,
    pub links: u64,
    pub size: u64,
    pub accessed: u64,
    pub modified: u64,
    pub changed: u64,
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dirent {
    pub next: u64,
    pub inode: u64,
    pub file_type: u8,
    pub name: String,
}

impl Guest {
    pub fn path(&mut self, path: &[u8]) -> [i64; 2] {
        self.poke(PATH, path);
        [PATH.into(), path.len() as i64]
    }

    fn path2(&mut self, path: &str) -> [i64; 2] {
        self.poke(PATH2, path.as_bytes());
        [PATH2.into(), path.len() as i64]
    }

    pub fn open_with(
        &mut self,
        fd: u32,
        follow: bool,
        path: &str,
        flags: u32,
        rights: (u64, u64),
        fd_flags: u32,
    ) -> Fails<u32> {
        let [path, path_len] = self.path(path.as_bytes());
        let arguments = [
            fd.into(),
            follow.into(),
            path,
            path_len,
            flags.into(),
            rights.0 as i64,
            rights.1 as i64,
            fd_flags.into(),
            RESULT.into(),
        ];
        self.errno("path_open", &arguments)?;
        Ok(self.peek_u32(RESULT))
    }

    /// Opens without following links, with these base rights.
    pub fn open(&mut self, fd: u32, path: &str, flags: u32, base: u64) -> Fails<u32> {
        self.open_with(fd, false, path, flags, (base, 0), 0)
    }

    /// Creates an empty file.
    pub fn create(&mut self, fd: u32, path: &str) {
        let file = self.open(fd, path, o::CREAT, 0).expect("creating a file");
        self.close(file).expect("closing it");
    }

    pub fn close(&mut self, fd: u32) -> Fails {
        self.errno("fd_close", &[fd.into()])
    }

    /// One buffer at [`BUFFER`].
    fn one_buffer(&mut self, length: u32) -> [i64; 2] {
        self.poke_words(IOVEC, &[BUFFER, length]);
        [IOVEC.into(), 1]
    }

    pub fn write(&mut self, fd: u32, bytes: &[u8]) -> Fails<u32> {
        self.poke(BUFFER, bytes);
        let [iovs, count] = self.one_buffer(bytes.len() as u32);
        self.errno("fd_write", &[fd.into(), iovs, count, RESULT.into()])?;
        Ok(self.peek_u32(RESULT))
    }

    pub fn pwrite(&mut self, fd: u32, bytes: &[u8], offset: u64) -> Fails<u32> {
        self.poke(BUFFER, bytes);
        let [iovs, count] = self.one_buffer(bytes.len() as u32);
        self.errno("fd_pwrite", &[fd.into(), iovs, count, offset as i64, RESULT.into()])?;
        Ok(self.peek_u32(RESULT))
    }

    pub fn read(&mut self, fd: u32, length: u32) -> Fails<Vec<u8>> {
        let [iovs, count] = self.one_buffer(length);
        self.errno("fd_read", &[fd.into(), iovs, count, RESULT.into()])?;
        let count = self.peek_u32(RESULT);
        Ok(self.peek(BUFFER, count))
    }

    pub fn pread(&mut self, fd: u32, length: u32, offset: u64) -> Fails<Vec<u8>> {
        let [iovs, count] = self.one_buffer(length);
        self.errno("fd_pread", &[fd.into(), iovs, count, offset as i64, RESULT.into()])?;
        let count = self.peek_u32(RESULT);
        Ok(self.peek(BUFFER, count))
    }

    pub fn seek(&mut self, fd: u32, offset: i64, whence: u32) -> Fails<u64> {
        self.errno("fd_seek", &[fd.into(), offset, whence.into(), RESULT.into()])?;
        Ok(self.peek_u64(RESULT))
    }

    pub fn tell(&mut self, fd: u32) -> Fails<u64> {
        self.errno("fd_tell", &[fd.into(), RESULT.into()])?;
        Ok(self.peek_u64(RESULT))
    }

    pub fn fdstat(&mut self, fd: u32) -> Fails<FdStat> {
        self.errno("fd_fdstat_get", &[fd.into(), RESULT.into()])?;
        let head = self.peek(RESULT, 4);
        Ok(FdStat {
            file_type: head[0],
            flags: u16::from_le_bytes([head[2], head[3]]).into(),
            base: self.peek_u64(RESULT + 8),
            inheriting: self.peek_u64(RESULT + 16),
        })
    }

    pub fn set_rights(&mut self, fd: u32, base: u64, inheriting: u64) -> Fails {
        self.errno("fd_fdstat_set_rights", &[fd.into(), base as i64, inheriting as i64])
    }

    fn stat_result(&mut self) -> Stat {
        Stat {
            device: self.peek_u64(RESULT),
            inode: self.peek_u64(RESULT + 8),
            file_type: self.peek(RESULT + 16, 1)[0],
            links: self.peek_u64(RESULT + 24),
            size: self.peek_u64(RESULT + 32),
            accessed: self.peek_u64(RESULT + 40),
            modified: self.peek_u64(RESULT + 48),
            changed: self.peek_u64(RESULT + 56),
        }
    }

    pub fn fd_stat(&mut self, fd: u32) -> Fails<Stat> {
        self.errno("fd_filestat_get", &[fd.into(), RESULT.into()])?;
        Ok(self.stat_result())
    }

    pub fn stat(&mut self, fd: u32, follow: bool, path: &str) -> Fails<Stat> {
        let [path, path_len] = self.path(path.as_bytes());
        self.errno("path_filestat_get", &[fd.into(), follow.into(), path, path_len, RESULT.into()])?;
        Ok(self.stat_result())
    }

    pub fn set_times(&mut self, fd: u32, follow: bool, path: &str, times: [u64; 2], flags: u32) -> Fails {
        let [path, path_len] = self.path(path.as_bytes());
        let [accessed, modified] = times.map(|time| time as i64);
        let arguments = [fd.into(), follow.into(), path, path_len, accessed, modified, flags.into()];
        self.errno("path_filestat_set_times", &arguments)
    }

    pub fn by_path(&mut self, function: &str, fd: u32, path: &str) -> Fails {
        let [path, path_len] = self.path(path.as_bytes());
        self.errno(function, &[fd.into(), path, path_len])
    }

    pub fn mkdir(&mut self, fd: u32, path: &str) -> Fails {
        self.by_path("path_create_directory", fd, path)
    }

    pub fn rmdir(&mut self, fd: u32, path: &str) -> Fails {
        self.by_path("path_remove_directory", fd, path)
    }

    pub fn unlink(&mut self, fd: u32, path: &str) -> Fails {
        self.by_path("path_unlink_file", fd, path)
    }

    pub fn rename(&mut self, fd: u32, path: &str, new_fd: u32, new_path: &str) -> Fails {
        let [path, path_len] = self.path(path.as_bytes());
        let [new, new_len] = self.path2(new_path);
        self.errno("path_rename", &[fd.into(), path, path_len, new_fd.into(), new, new_len])
    }

    pub fn link(&mut self, fd: u32, follow: bool, path: &str, new_fd: u32, new_path: &str) -> Fails {
        let [path, path_len] = self.path(path.as_bytes());
        let [new, new_len] = self.path2(new_path);
        self.errno("path_link", &[fd.into(), follow.into(), path, path_len, new_fd.into(), new, new_len])
    }

    pub fn symlink(&mut self, target: &str, fd: u32, path: &str) -> Fails {
        let [path, path_len] = self.path(path.as_bytes());
        let [target, target_len] = self.path2(target);
        self.errno("path_symlink", &[target, target_len, fd.into(), path, path_len])
    }

    pub fn readlink(&mut self, fd: u32, path: &str, room: u32) -> Fails<Vec<u8>> {
        let [path, path_len] = self.path(path.as_bytes());
        let arguments = [fd.into(), path, path_len, BUFFER.into(), room.into(), RESULT.into()];
        self.errno("path_readlink", &arguments)?;
        let used = self.peek_u32(RESULT);
        Ok(self.peek(BUFFER, used))
    }

    /// The bytes that `fd_readdir` returns.
    pub fn readdir(&mut self, fd: u32, room: u32, cookie: u64) -> Fails<Vec<u8>> {
        let arguments = [fd.into(), BUFFER.into(), room.into(), cookie as i64, RESULT.into()];
        self.errno("fd_readdir", &arguments)?;
        let used = self.peek_u32(RESULT);
        Ok(self.peek(BUFFER, used))
    }

    /// All entries, read with buffers of `room` bytes.
    pub fn list(&mut self, fd: u32, room: u32) -> Fails<Vec<Dirent>> {
        let (mut all, mut cookie) = (Vec::new(), 0);
        loop {
            let bytes = self.readdir(fd, room, cookie)?;
            let entries = dirents(&bytes);
            cookie = entries.last().map_or(cookie, |entry| entry.next);
            let progress = !entries.is_empty();
            all.extend(entries);
            if bytes.len() < room as usize {
                return Ok(all);
            }
            assert!(progress, "a buffer of {room} bytes holds no entry");
        }
    }
}

/// The complete entries in a buffer.
pub fn dirents(mut bytes: &[u8]) -> Vec<Dirent> {
    let mut entries = Vec::new();
    while let Some((head, rest)) = bytes.split_at_checked(24) {
        let u64_at = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("eight"));
        let name_len = u32::from_le_bytes(head[16..20].try_into().expect("four"));
        let Some((name, rest)) = rest.split_at_checked(name_len as usize) else { break };
        let name = String::from_utf8(name.to_vec()).expect("a name");
        entries.push(Dirent { next: u64_at(0), inode: u64_at(8), file_type: head[20], name });
        bytes = rest;
    }
    entries
}
