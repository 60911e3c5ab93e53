//! Measures operations on a RAM device: time, and the bytes and flushes that reach the device. Run with
//! `--release`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use capos_volume::{BlockDevice, Error, FormatOptions, MemDevice, Options, ROOT, Volume};

/// Counts the requests that reach the device.
#[derive(Debug)]
struct Counter {
    inner: MemDevice,
    written: AtomicU64,
    read: AtomicU64,
    flushes: AtomicU64,
}

impl BlockDevice for Counter {
    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read.fetch_add(out.len() as u64, Ordering::Relaxed);
        self.inner.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.written.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.inner.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.flushes.fetch_add(1, Ordering::Relaxed);
        self.inner.flush()
    }
}

fn main() -> Result<(), Error> {
    let device = Arc::new(Counter {
        inner: MemDevice::new(256 << 20),
        written: AtomicU64::new(0),
        read: AtomicU64::new(0),
        flushes: AtomicU64::new(0),
    });
    let erased: Arc<dyn BlockDevice> = device.clone();
    Volume::format(&erased, FormatOptions::default(), 0)?;
    let mut volume = Volume::open(erased, Options::default())?;
    println!("operation ns written_bytes read_bytes flushes   (per operation)");
    let measure = |name: &str, count: u64, work: &mut dyn FnMut(u64) -> Result<(), Error>| {
        let counts = || [&device.written, &device.read, &device.flushes].map(|c| c.load(Ordering::Relaxed));
        let (before, start) = (counts(), Instant::now());
        (0..count).try_for_each(work)?;
        let ns = start.elapsed().as_nanos() as u64 / count;
        let [written, read, flushes] = counts().map(|c| c as f64);
        let per = |now: f64, before: u64| (now - before as f64) / count as f64;
        println!(
            "{name} {ns} {:.0} {:.0} {:.2}",
            per(written, before[0]),
            per(read, before[1]),
            per(flushes, before[2])
        );
        Ok::<_, Error>(())
    };

    let v = &mut volume;
    let small = v.create_file(ROOT, "small")?;
    measure("append-64", 100_000, &mut |_| v.append(small, &[1; 64]).map(drop))?;
    measure("append-64-sync", 2_000, &mut |_| {
        v.append(small, &[1; 64])?;
        v.sync()
    })?;
    let mut out = [0; 64];
    measure("read-64", 100_000, &mut |i| v.read(small, i * 64 % 100_000, &mut out).map(drop))?;

    let big = v.create_file(ROOT, "big")?;
    let data = vec![7; 1 << 20];
    measure("write-1M", 64, &mut |i| v.write(big, i << 20, &data).map(drop))?;
    measure("sync-after-64M", 1, &mut |_| v.sync())?;
    let mut out = vec![0; 1 << 20];
    measure("read-1M", 64, &mut |i| v.read(big, i << 20, &mut out).map(drop))?;
    measure("overwrite-4K-sync", 2_000, &mut |i| {
        v.write(big, i * 7919 % 16384 * 4096, &[3; 4096])?;
        v.sync()
    })?;
    measure("overwrite-4K", 20_000, &mut |i| v.write(big, i * 7919 % 16384 * 4096, &[3; 4096]).map(drop))?;
    measure("create", 5_000, &mut |i| v.create_file(ROOT, &format!("file {i}")).map(drop))?;
    measure("small-file", 3_000, &mut |i| {
        let file = v.create_file(ROOT, &format!("small file {i}"))?;
        v.write(file, 0, &[1; 64]).map(drop)
    })?;
    measure("sync-after-small-files", 1, &mut |_| v.sync())?;
    measure("lookup", 20_000, &mut |i| v.lookup(ROOT, &format!("file {}", i % 5000)).map(drop))?;
    measure("unlink", 5_000, &mut |i| v.unlink(ROOT, &format!("file {i}")))?;
    measure("sync-of-nothing", 1_000, &mut |_| v.sync())?;
    v.sync()
}
