//! A device that fails from some operation on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use capos_volume::BlockDevice;

/// Passes a number of writes and flushes, and then fails.
#[derive(Debug)]
pub(super) struct Failing {
    pub(super) device: Arc<dyn BlockDevice>,
    pub(super) left: AtomicU64,
}

impl Failing {
    fn pass(&self) -> io::Result<()> {
        let passed = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        passed.map(drop).map_err(|_| io::Error::other("the device is gone"))
    }
}

impl BlockDevice for Failing {
    fn size_bytes(&self) -> u64 {
        self.device.size_bytes()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        match self.left.load(Ordering::Relaxed) {
            0 => Err(io::Error::other("the device is gone")),
            _ => self.device.read_at(offset, out),
        }
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.pass()?;
        self.device.write_at(offset, data)
    }

    fn flush(&self) -> io::Result<()> {
        self.pass()?;
        self.device.flush()
    }
}
