//! A device that records every write, so that any crash can be simulated, and that can fail.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use capos_volume::{BlockDevice, MemDevice, SECTOR};

/// A request to a device.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Write(u64, Vec<u8>),
    Flush,
    /// A marker of the test: this many operations were complete, and this many synced.
    Mark {
        completed: usize,
        synced: usize,
    },
}

/// Records requests, and fails some of them.
#[derive(Debug)]
pub(crate) struct Recorder {
    inner: MemDevice,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: Vec<Event>,
    random: fastrand::Rng,
    /// One in this many requests fails; 0 for none.
    fail_one_in: u32,
    fails_reads: bool,
}

impl Recorder {
    pub(crate) fn new(image: &[u8], seed: u64) -> Arc<Self> {
        let state = State {
            log: Vec::new(),
            random: fastrand::Rng::with_seed(seed),
            fail_one_in: 0,
            fails_reads: false,
        };
        Arc::new(Self { inner: MemDevice::from_image(image), state: Mutex::new(state) })
    }

    pub(crate) fn mark(&self, completed: usize, synced: usize) {
        self.state.lock().unwrap().log.push(Event::Mark { completed, synced });
    }

    pub(crate) fn take_log(&self) -> Vec<Event> {
        std::mem::take(&mut self.state.lock().unwrap().log)
    }

    pub(crate) fn fail_one_in(&self, count: u32) {
        self.state.lock().unwrap().fail_one_in = count;
    }

    /// Reads fail as writes and flushes do.
    pub(crate) fn fail_reads_too(&self) {
        self.state.lock().unwrap().fails_reads = true;
    }

    fn maybe_fail(state: &mut State) -> io::Result<()> {
        if state.fail_one_in > 0 && state.random.u32(..state.fail_one_in) == 0 {
            return Err(io::Error::other("injected"));
        }
        Ok(())
    }
}

impl BlockDevice for Recorder {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        aligned(offset, out.len());
        let mut state = self.state.lock().unwrap();
        if state.fails_reads {
            Self::maybe_fail(&mut state)?;
        }
        drop(state);
        self.inner.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        aligned(offset, data.len());
        let mut state = self.state.lock().unwrap();
        if let Err(error) = Self::maybe_fail(&mut state) {
            // A failed write may have reached the medium in part.
            let torn = state.random.usize(..=data.len() / SECTOR) * SECTOR;
            state.log.push(Event::Write(offset, data[..torn].to_vec()));
            self.inner.write_at(offset, &data[..torn])?;
            return Err(error);
        }
        state.log.push(Event::Write(offset, data.to_vec()));
        self.inner.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        Self::maybe_fail(&mut state)?;
        state.log.push(Event::Flush);
        Ok(())
    }
}

/// A device of any size; only written parts take memory.
#[derive(Debug)]
pub(crate) struct Sparse {
    size_bytes: u64,
    sectors: Mutex<HashMap<u64, [u8; SECTOR]>>,
}

impl Sparse {
    pub(crate) fn new(size_bytes: u64) -> Arc<Self> {
        Arc::new(Self { size_bytes, sectors: Mutex::default() })
    }
}

impl BlockDevice for Sparse {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        aligned(offset, out.len());
        let sectors = self.sectors.lock().unwrap();
        for (number, out) in (offset / SECTOR as u64..).zip(out.chunks_mut(SECTOR)) {
            out.copy_from_slice(sectors.get(&number).unwrap_or(&[0; SECTOR]));
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        aligned(offset, data.len());
        assert!(offset + data.len() as u64 <= self.size_bytes);
        let mut sectors = self.sectors.lock().unwrap();
        for (number, data) in (offset / SECTOR as u64..).zip(data.chunks(SECTOR)) {
            sectors.insert(number, data.try_into().unwrap());
        }
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

fn aligned(offset: u64, len: usize) {
    assert!(offset.is_multiple_of(SECTOR as u64) && len.is_multiple_of(SECTOR), "{offset} {len}");
}

/// Turns a disk into a possible result of a power cut: everything flushed, and of the rest any sectors of any
/// writes, in any order; and garbage in sectors that were being written.
pub(crate) fn tear(image: &mut [u8], unflushed: &[(u64, &[u8])], random: &mut fastrand::Rng) {
    let mut writes: Vec<_> = unflushed.to_vec();
    let keep = random.f32();
    match random.u8(..3) {
        // In order, up to a point.
        0 => writes.truncate(random.usize(..=writes.len())),
        // Any of them, in any order.
        1 => {
            random.shuffle(&mut writes);
            writes.retain(|_| random.f32() < keep);
        }
        // All or most of them.
        _ => writes.retain(|_| random.f32() < 0.9),
    }
    let torn = random.bool();
    for (offset, data) in writes {
        for (i, sector) in data.chunks(SECTOR).enumerate() {
            let at = offset as usize + i * SECTOR;
            let target = &mut image[at..at + sector.len()];
            match random.u8(..20) {
                0 if torn => random.fill(target),
                1..=4 if torn => {}
                _ => target.copy_from_slice(sector),
            }
        }
    }
}
