//! Random operations, applied to a volume and to the model in parallel.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use capos_volume::{
    BlockDevice, Error, FormatOptions, Last, MemDevice, Namespace, OpenFlags, Options, SetTime, Volume,
};

use crate::model::{Body, Model};

#[derive(Clone, Debug)]
pub(crate) enum Op {
    Create(String),
    MakeDir(String),
    Symlink(String, String),
    Unlink(String),
    RemoveDir(String),
    Link(String, String),
    Rename(String, String),
    Open(String),
    Close(usize),
    /// The open file, the offset, the length, and the byte.
    Write(usize, u64, usize, u8),
    Append(usize, usize, u8),
    SetSize(usize, u64),
    Allocate(usize, u64, u64),
    Read(usize, u64, usize),
    Touch(String, u64),
    Sync,
}

fn path(random: &mut fastrand::Rng) -> String {
    const PARTS: [&str; 12] =
        ["a", "b", "c", "d", "e", "a", "b", "c", "link", "long-name-of-a-file", "..", "."];
    let depth = [1, 1, 1, 2, 2, 3][random.usize(..6)];
    let parts: Vec<_> = (0..depth).map(|_| PARTS[random.usize(..PARTS.len())]).collect();
    parts.join("/")
}

/// Picks the next operation. `max_bytes` bounds files, so that comparing stays fast.
pub(crate) fn pick(random: &mut fastrand::Rng, open: usize, max_bytes: u64) -> Op {
    let byte = random.u8(1..);
    let slot = if open > 0 { random.usize(..open) } else { 0 };
    let offset = match random.u8(..4) {
        0 => random.u64(..max_bytes),
        1 => random.u64(..=max_bytes / 4096) * 4096,
        _ => random.u64(..max_bytes / 8),
    };
    let len = match random.u8(..4) {
        0 => random.usize(..64),
        1 => 4096 * random.usize(..4),
        _ => random.usize(..max_bytes as usize / 4),
    };
    // Mostly work on files, once some are open.
    match random.u8(..if open > 3 { 160 } else { 60 }) {
        0..10 => Op::Create(path(random)),
        10..14 => Op::MakeDir(path(random)),
        14..17 => Op::Symlink(path(random), path(random)),
        17..22 => Op::Unlink(path(random)),
        22..25 => Op::RemoveDir(path(random)),
        25..28 => Op::Link(path(random), path(random)),
        28..36 => Op::Rename(path(random), path(random)),
        36..45 => Op::Open(path(random)),
        45..47 => Op::Touch(path(random), random.u64(..)),
        47..51 => Op::Sync,
        51..60 if open < 4 => Op::Open(path(random)),
        51..58 => Op::Close(slot),
        58..105 => Op::Write(slot, offset, len, byte),
        105..120 => Op::Append(slot, len.min(3000), byte),
        120..128 => Op::SetSize(slot, offset),
        128..130 => Op::Allocate(slot, offset, 1 + len as u64),
        _ => Op::Read(slot, offset, len),
    }
}

/// A small new volume.
pub(crate) fn image(size_bytes: u64, meta_bytes: Option<u64>) -> Vec<u8> {
    let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(size_bytes));
    Volume::format(&device, FormatOptions { id: 77, meta_bytes }, 0).unwrap();
    let mut image = vec![0; size_bytes as usize];
    device.read_at(0, &mut image).unwrap();
    image
}

/// A volume and its model.
pub(crate) struct Pair {
    pub(crate) volume: Volume,
    pub(crate) model: Model,
    root: Namespace,
    clock: Arc<AtomicU64>,
}

pub(crate) fn options(clock: &Arc<AtomicU64>) -> Options {
    let clock = clock.clone();
    // Small caches, so that eviction and early stores occur.
    Options {
        data_cache_bytes: 64 << 10,
        meta_cache_bytes: 256 << 10,
        clock: Arc::new(move || clock.load(Ordering::Relaxed)),
        ..Options::default()
    }
}

impl Pair {
    pub(crate) fn open(device: Arc<dyn BlockDevice>, model: Model) -> Result<Self, Error> {
        let clock = Arc::new(AtomicU64::new(model.now_ns));
        let mut volume = Volume::open(device, options(&clock))?;
        let root = Namespace::root(&mut volume)?;
        Ok(Self { volume, model: model.interrupted(), root, clock })
    }

    /// Fills all but about `left` blocks, with a file that random operations do not name.
    pub(crate) fn crowd(&mut self, left: u64) {
        self.apply(&Op::Create("hog".to_owned()), &[]);
        self.apply(&Op::Open("hog".to_owned()), &[]);
        let bytes = self.volume.usage().blocks_free.saturating_sub(left) * 4096;
        self.apply(&Op::Allocate(0, 0, bytes), &[]);
        self.apply(&Op::Close(0), &[]);
    }

    /// Applies an operation to both and compares the results. `tolerated` errors of the volume must leave
    /// everything unchanged. Returns the error, if that was the result.
    pub(crate) fn apply(&mut self, op: &Op, tolerated: &[Error]) -> Option<Error> {
        let before = self.model.clone();
        self.model.now_ns += 1;
        self.clock.store(self.model.now_ns, Ordering::Relaxed);
        let (volume, root, model) = (&mut self.volume, &self.root, &mut self.model);
        let (got, wanted): (Result<u64, Error>, Result<u64, Error>) = match op {
            Op::Create(path) => {
                // Through a dangling link too, hence `Follow`; but never an existing object.
                let exists =
                    model.resolve(path, true).is_ok_and(|(_, name, found)| name.is_none() || found.is_some());
                if exists {
                    let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUSIVE;
                    let got = root.open(volume, path.as_bytes(), Last::Follow, flags).map(|o| o.ino);
                    (got, Err(Error::Exists))
                } else {
                    let flags = OpenFlags::WRITE | OpenFlags::CREATE;
                    let got = root.open(volume, path.as_bytes(), Last::Follow, flags);
                    let got = got.and_then(|o| volume.release(o.ino).map(|()| o.ino));
                    (got, model.make(path, Body::File(Arc::default())))
                }
            }
            Op::MakeDir(path) => (
                root.create_dir(volume, path.as_bytes()),
                model.make(path, Body::Directory { names: Vec::new(), parent: 0 }),
            ),
            Op::Symlink(target, path) => (
                root.create_symlink(volume, target.as_bytes(), path.as_bytes()),
                model.make(path, Body::Symlink(target.clone())),
            ),
            Op::Unlink(path) => {
                (root.unlink(volume, path.as_bytes()).map(|()| 0), model.unlink(path).map(|()| 0))
            }
            Op::RemoveDir(path) => {
                (root.remove_dir(volume, path.as_bytes()).map(|()| 0), model.remove_dir(path).map(|()| 0))
            }
            Op::Link(path, new) => (
                root.link(volume, path.as_bytes(), Last::Stay, root, new.as_bytes()).map(|()| 0),
                model.link(path, new).map(|()| 0),
            ),
            Op::Rename(path, new) => (
                root.rename(volume, path.as_bytes(), root, new.as_bytes()).map(|()| 0),
                model.rename(path, new).map(|()| 0),
            ),
            Op::Open(path) => {
                // Mostly files, created if missing; also some directories, which stay when they are removed.
                let writes = !path.contains('.');
                let flags = OpenFlags::READ | OpenFlags::WRITE | OpenFlags::CREATE;
                let flags = if writes { flags } else { OpenFlags::READ };
                let got = root.open(volume, path.as_bytes(), Last::Follow, flags).map(|o| o.ino);
                let wanted = match model.resolve(path, true) {
                    Ok((_, Some(_), None)) if writes => model.make(path, Body::File(Arc::default())),
                    Ok((_, Some(_), None)) => Err(Error::NotFound),
                    Ok((dir, name, found)) => {
                        let ino = if name.is_none() { dir } else { found.unwrap() };
                        if writes && model.is_directory(ino) { Err(Error::IsDirectory) } else { Ok(ino) }
                    }
                    Err(error) => Err(error),
                };
                if let (Ok(ino), Ok(_)) = (got, wanted) {
                    model.open.push(ino);
                }
                (got, wanted)
            }
            Op::Close(slot) => {
                let ino = model.open[*slot];
                let got = volume.release(ino);
                // The handle is released in either case; the file is removed at the next opening at the
                // latest.
                model.close(*slot);
                (got.map(|()| 0), Ok(0))
            }
            Op::Write(slot, offset, len, byte) => {
                let ino = model.open[*slot];
                let got = volume.write(ino, *offset, &vec![*byte; *len]);
                let wanted = match model.file(ino) {
                    Ok(_) if *len == 0 => {
                        model.clone_from(&before);
                        Ok(0)
                    }
                    Ok(data) => {
                        let count = got.unwrap_or(*len);
                        let end = *offset as usize + count;
                        if data.len() < end {
                            data.resize(end, 0);
                        }
                        data[*offset as usize..end].fill(*byte);
                        let short_is_fine = tolerated.contains(&Error::NoSpace) && count > 0;
                        Ok(if short_is_fine { count } else { *len })
                    }
                    Err(error) => Err(error),
                };
                (got.map(|n| n as u64), wanted.map(|n| n as u64))
            }
            Op::Append(slot, len, byte) => {
                let ino = model.open[*slot];
                let got =
                    volume.append(ino, &vec![*byte; *len]).map(|(count, end)| (count as u64) << 32 | end);
                let wanted = match model.file(ino) {
                    Ok(data) if *len == 0 => {
                        let end = data.len() as u64;
                        model.clone_from(&before);
                        Ok(end)
                    }
                    Ok(data) => {
                        let count = got.map_or(*len as u64, |both| both >> 32);
                        data.resize(data.len() + count as usize, *byte);
                        let short_is_fine = tolerated.contains(&Error::NoSpace) && count > 0;
                        Ok((if short_is_fine { count } else { *len as u64 }) << 32 | data.len() as u64)
                    }
                    Err(error) => Err(error),
                };
                (got, wanted)
            }
            Op::SetSize(slot, size) => {
                let ino = model.open[*slot];
                let wanted = model.file(ino).map(|data| data.resize(*size as usize, 0));
                (volume.set_size(ino, *size).map(|()| 0), wanted.map(|()| 0))
            }
            Op::Allocate(slot, offset, len) => {
                let ino = model.open[*slot];
                let end = (*offset + *len) as usize;
                let wanted = model.file(ino).map(|data| data.resize(data.len().max(end), 0));
                (volume.allocate(ino, *offset, *len).map(|()| 0), wanted.map(|()| 0))
            }
            Op::Read(slot, offset, len) => {
                let ino = model.open[*slot];
                let mut out = vec![0x55; *len];
                let got = volume.read(ino, *offset, &mut out);
                let data = model.file(ino).cloned();
                model.clone_from(&before);
                let wanted = data.map(|data| {
                    let start = data.len().min(*offset as usize);
                    let part = &data[start..data.len().min(start + *len)];
                    // A device that fails in the middle keeps the earlier writes.
                    let may_be_short = tolerated.contains(&Error::Io);
                    match got {
                        Ok(count)
                            if count == part.len() || (may_be_short && (1..part.len()).contains(&count)) =>
                        {
                            assert_eq!(out[..count], part[..count], "{op:?}");
                            count
                        }
                        _ => part.len(),
                    }
                });
                (got.map(|n| n as u64), wanted.map(|n| n as u64))
            }
            Op::Touch(path, time) => {
                let set = SetTime::To(*time);
                let got = root.set_times(volume, path.as_bytes(), Last::Follow, SetTime::Keep, set);
                let wanted = model.resolve(path, true).and_then(|(dir, name, found)| match name {
                    None => Ok(dir),
                    Some(_) => found.ok_or(Error::NotFound),
                });
                if let Ok(ino) = wanted {
                    model.nodes.get_mut(&ino).unwrap().modified_ns = *time;
                }
                (got.map(|()| 0), wanted.map(|_| 0))
            }
            Op::Sync => (volume.sync().map(|()| 0), Ok(0)),
        };
        match got {
            Err(error) if tolerated.contains(&error) && wanted != Err(error) => {
                if !matches!(op, Op::Close(_)) {
                    self.model = before;
                }
            }
            _ => assert_eq!(got, wanted, "{op:?}"),
        }
        // Time advances even if an operation changed nothing.
        self.model.now_ns = self.clock.load(Ordering::Relaxed);
        got.err()
    }
}
