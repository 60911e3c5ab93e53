//! Recovery from failures of the device.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use capos_fs::{FileService, Options};
use capos_schema::errno_capnp::Errno;
use capos_volume::BlockDevice;

use crate::support::*;

/// A device that refuses to flush while the flag is set.
#[derive(Debug)]
struct Failing(Arc<dyn BlockDevice>, AtomicBool);

impl BlockDevice for Failing {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
    fn flush(&self) -> io::Result<()> {
        if self.1.load(Ordering::Relaxed) { Err(io::Error::other("broken")) } else { self.0.flush() }
    }
}

#[test]
fn after_a_failure_old_objects_stay_broken_and_new_ones_work() {
    let device = Arc::new(Failing(device(), AtomicBool::new(false)));
    let again = device.clone();
    let reopen = move || capos_volume::Volume::open(again.clone(), capos_volume::Options::default());
    let service = FileService::new(open(device.clone()), Options::default(), Some(Box::new(reopen)));
    let volume = service.client();
    let root = grant(&volume, "", "rwm", false).unwrap();
    let file = open_file(&root, "kept", "rwc").unwrap();
    write(&file, 0, b"kept").unwrap();
    call!(object(&file).sync_request()).unwrap();
    write(&file, 0, b"lost").unwrap();

    device.1.store(true, Ordering::Relaxed);
    assert_eq!(call!(object(&file).sync_request()).err(), Some(Errno::Io));
    assert_eq!(open_file(&root, "new", "wc").err(), Some(Errno::Io));
    assert!(grant(&volume, "", "rwm", false).is_err());
    device.1.store(false, Ordering::Relaxed);

    let fresh = grant(&volume, "", "rwm", false).unwrap();
    assert_eq!(read(&open_file(&fresh, "kept", "r").unwrap(), 0, 9), Ok(b"kept".to_vec()));
    // A sync through the old objects must never succeed: their changes are lost.
    assert_eq!(call!(object(&file).sync_request()).err(), Some(Errno::Io));
    assert_eq!(call!(object(&root).sync_request()).err(), Some(Errno::Io));
    assert_eq!(write(&file, 0, b"more"), Err(Errno::Io));
    assert_eq!(rename(&fresh, "kept", &root, "moved"), Err(Errno::Io));
    drop((file, root));
    assert_eq!(unlink(&fresh, "kept"), Ok(()));
    assert_eq!(inodes(&volume), 1);
}
