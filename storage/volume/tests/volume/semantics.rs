//! The behaviour of files and directories, case by case.

use std::sync::Arc;

use capos_volume::{
    BlockDevice, Error, FormatOptions, MAX_FILE_BYTES, MAX_WRITE_BYTES, MIN_DEVICE_BYTES, MemDevice, Options,
    ROOT, SetTime, Volume,
};

use crate::device::Sparse;
use crate::ops::image;

fn volume() -> (Arc<MemDevice>, Volume) {
    let device = Arc::new(MemDevice::from_image(&image(8 << 20, None)));
    let volume = Volume::open(device.clone(), Options::default()).unwrap();
    (device, volume)
}

#[test]
fn a_file_without_a_name_lives_while_it_is_open() {
    let (device, mut volume) = volume();
    let file = volume.create_file(ROOT, "f").unwrap();
    volume.retain(file).unwrap();
    volume.write(file, 0, &[9; 100_000]).unwrap();
    volume.sync().unwrap();
    let free = volume.usage().blocks_free;
    volume.unlink(ROOT, "f").unwrap();
    assert_eq!(volume.lookup(ROOT, "f"), Err(Error::NotFound));
    let mut out = [0; 4];
    assert_eq!(volume.read(file, 99_998, &mut out), Ok(2));
    assert_eq!(volume.stat(file).unwrap().links, 0);
    assert_eq!(volume.link(file, ROOT, "again"), Err(Error::NotFound));
    volume.sync().unwrap();
    assert_eq!(volume.check().unwrap().problems, []);
    // Interrupted while it is open: it is removed when the volume is opened.
    drop(volume);
    let mut volume = Volume::open(device, Options::default()).unwrap();
    assert_eq!(volume.stat(file), Err(Error::NotFound));
    assert_eq!(volume.usage().blocks_free, free + 25);
    assert_eq!(volume.check().unwrap().problems, []);
}

#[test]
fn a_removed_directory_that_is_open_takes_no_names() {
    let (_, mut volume) = volume();
    let dir = volume.create_dir(ROOT, "d").unwrap();
    volume.retain(dir).unwrap();
    volume.remove_dir(ROOT, "d").unwrap();
    assert_eq!(volume.create_file(dir, "f"), Err(Error::NotFound));
    assert_eq!(volume.read_dir(dir, 0, 10), Ok(vec![]));
    volume.create_file(ROOT, "f").unwrap();
    assert_eq!(volume.rename(ROOT, "f", dir, "f"), Err(Error::NotFound));
    volume.release(dir).unwrap();
    assert_eq!(volume.stat(dir), Err(Error::NotFound));
    assert_eq!(volume.release(dir), Err(Error::Invalid));
}

#[test]
fn listing_goes_on_where_it_was_whatever_happens_meanwhile() {
    let (_, mut volume) = volume();
    for name in ["a", "b", "c", "d", "e"] {
        volume.create_file(ROOT, name).unwrap();
    }
    let first = volume.read_dir(ROOT, 0, 2).unwrap();
    assert_eq!(first.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    volume.unlink(ROOT, "b").unwrap();
    volume.unlink(ROOT, "c").unwrap();
    volume.create_file(ROOT, "aa").unwrap();
    let rest = volume.read_dir(ROOT, first[1].entry.cookie, 10).unwrap();
    assert_eq!(rest.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(), ["d", "e", "aa"]);
    assert!(first[0].entry.cookie > 2, "1 and 2 are for `.` and `..`");
    assert_eq!(volume.read_dir(ROOT, u64::MAX, 10), Ok(vec![]));
}

#[test]
fn sparse_files_read_as_zero_and_cost_what_they_hold() {
    let (_, mut volume) = volume();
    let file = volume.create_file(ROOT, "f").unwrap();
    volume.write(file, 3_000_000, b"end").unwrap();
    let mut out = [1; 10];
    assert_eq!(volume.read(file, 2_999_996, &mut out), Ok(7));
    assert_eq!(out[..7], *b"\0\0\0\0end");
    assert_eq!(volume.stat(file).unwrap().stored_bytes, 4096);
    // After truncating and growing again, the old bytes do not come back.
    volume.set_size(file, 3_000_001).unwrap();
    volume.sync().unwrap();
    volume.set_size(file, 4_000_000).unwrap();
    assert_eq!(volume.read(file, 3_000_000, &mut out), Ok(10));
    assert_eq!(out, *b"e\0\0\0\0\0\0\0\0\0");
    volume.allocate(file, 0, 40_960).unwrap();
    assert_eq!(volume.stat(file).unwrap().stored_bytes, 11 * 4096);
    assert_eq!(volume.stat(file).unwrap().size, 4_000_000);
}

#[test]
fn sizes_are_bounded() {
    let (_, mut volume) = volume();
    let file = volume.create_file(ROOT, "f").unwrap();
    assert_eq!(volume.set_size(file, MAX_FILE_BYTES), Ok(()));
    assert_eq!(volume.set_size(file, MAX_FILE_BYTES + 1), Err(Error::TooBig));
    assert_eq!(volume.write(file, MAX_FILE_BYTES, b"x"), Err(Error::TooBig));
    assert_eq!(volume.write(file, u64::MAX, b"x"), Err(Error::TooBig));
    assert_eq!(volume.write(file, MAX_FILE_BYTES - 2, b"xyz"), Ok(2));
    assert_eq!(volume.allocate(file, u64::MAX, 2), Err(Error::TooBig));
    assert_eq!(volume.allocate(file, 0, MAX_FILE_BYTES), Err(Error::NoSpace));
    assert_eq!(volume.allocate(file, 0, 0), Err(Error::Invalid));
    assert_eq!(volume.write(file, 0, &vec![0; MAX_WRITE_BYTES + 1]), Ok(MAX_WRITE_BYTES));
    let mut out = [0; 10];
    assert_eq!(volume.read(file, u64::MAX, &mut out), Ok(0));
    volume.unlink(ROOT, "f").unwrap();
    assert_eq!(volume.check().unwrap().problems, []);
}

#[test]
fn a_directory_never_moves_into_itself() {
    let (_, mut volume) = volume();
    let a = volume.create_dir(ROOT, "a").unwrap();
    let b = volume.create_dir(a, "b").unwrap();
    assert_eq!(volume.rename(ROOT, "a", b, "c"), Err(Error::Invalid));
    assert_eq!(volume.rename(ROOT, "a", a, "c"), Err(Error::Invalid));
    volume.rename(a, "b", ROOT, "b").unwrap();
    assert_eq!(volume.parent(b), Ok(ROOT));
    volume.rename(ROOT, "a", b, "c").unwrap();
    assert_eq!((volume.parent(a), volume.stat(ROOT).unwrap().links), (Ok(b), 3));
    assert_eq!(volume.link(a, ROOT, "x"), Err(Error::NotPermitted));
}

#[test]
fn names_are_checked() {
    let (_, mut volume) = volume();
    for name in ["", ".", "..", "a/b", "a\0b"] {
        assert_eq!(volume.create_file(ROOT, name), Err(Error::Invalid), "{name:?}");
    }
    let long = "x".repeat(255);
    volume.create_file(ROOT, &long).unwrap();
    assert_eq!(volume.create_file(ROOT, &(long.clone() + "x")), Err(Error::NameTooLong));
    assert_eq!(volume.lookup(ROOT, &(long + "x")), Err(Error::NameTooLong));
    assert_eq!(volume.create_symlink(ROOT, "l", &"x".repeat(2001)), Err(Error::NameTooLong));
    volume.create_symlink(ROOT, "l", &"x".repeat(2000)).unwrap();
}

#[test]
fn times_change_when_they_should() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let device = Arc::new(MemDevice::from_image(&image(8 << 20, None)));
    let clock = Arc::new(AtomicU64::new(1));
    let mut volume = Volume::open(device, crate::ops::options(&clock)).unwrap();
    let file = volume.create_file(ROOT, "f").unwrap();
    clock.store(2, Ordering::Relaxed);
    volume.write(file, 0, b"x").unwrap();
    clock.store(3, Ordering::Relaxed);
    volume.set_times(file, SetTime::To(77), SetTime::Keep).unwrap();
    let stat = volume.stat(file).unwrap();
    assert_eq!((stat.accessed_ns, stat.modified_ns, stat.changed_ns), (77, 2, 3));
    clock.store(4, Ordering::Relaxed);
    volume.set_times(file, SetTime::Keep, SetTime::Now).unwrap();
    assert_eq!(volume.stat(file).unwrap().modified_ns, 4);
    assert_eq!(volume.stat(ROOT).unwrap().modified_ns, 1);
}

#[test]
fn a_volume_fits_any_device_that_is_large_enough() {
    for size in [MIN_DEVICE_BYTES, 6_000_000, 64 << 20, 1 << 30, 1 << 40] {
        let device: Arc<dyn BlockDevice> = Sparse::new(size);
        Volume::format(&device, FormatOptions::default(), 0).unwrap();
        let mut volume = Volume::open(device, Options::default()).unwrap();
        let file = volume.create_file(ROOT, "f").unwrap();
        volume.write(file, 0, &[1; 10_000]).unwrap();
        volume.sync().unwrap();
        let usage = volume.usage();
        assert!(usage.blocks * 4096 > size / 4, "{usage:?}");
    }
    let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(MIN_DEVICE_BYTES - 512));
    assert_eq!(Volume::format(&device, FormatOptions::default(), 0), Err(Error::NoSpace));
}

#[test]
fn errnos_are_those_of_wasi() {
    let pairs = [(Error::NotFound, 44), (Error::NotCapable, 76), (Error::Corrupt, 29), (Error::Quota, 19)];
    for (error, errno) in pairs {
        assert_eq!(error.errno(), errno);
    }
}
