//! Damaged media, and images that were never volumes: the result is an error, never a panic or wrong data.

use std::sync::Arc;

use capos_volume::{
    BlockDevice, Error, Kind, MIN_DEVICE_BYTES, MemDevice, Mode, Options, Problem, ROOT, Volume,
};

use crate::ops::image;
use crate::snapshot::{Snapshot, What, snapshot};

const SIZE: u64 = 4 << 20;
/// Data blocks begin after two superblocks, two header slots and two copies of 258 frames.
const FIRST_DATA: usize = (4 * 4096 + 2 * 258 * 4608) / 4096 + 1;

/// A volume with objects of all kinds, and its snapshot.
fn filled() -> (Vec<u8>, Snapshot) {
    let device = Arc::new(MemDevice::from_image(&image(SIZE, None)));
    let mut volume = Volume::open(device.clone(), Options::default()).unwrap();
    for d in 0..8 {
        let dir = volume.create_dir(ROOT, &format!("directory {d}")).unwrap();
        volume.create_symlink(dir, "link", "../directory 0").unwrap();
        for f in 0..8 {
            let file = volume.create_file(dir, &format!("file {f}")).unwrap();
            let data: Vec<u8> = (0..f * 2500).map(|i| (i % 251) as u8 ^ d as u8).collect();
            assert_eq!(volume.write(file, 0, &data).unwrap(), data.len());
        }
        volume.sync().unwrap();
    }
    let seen = snapshot(&mut volume).unwrap();
    drop(volume);
    let mut image = vec![0; SIZE as usize];
    device.read_at(0, &mut image).unwrap();
    (image, seen)
}

/// Opens an image and uses it in every way. Nothing may panic. Returns the readable content.
fn use_it(image: &[u8]) -> Result<Volume, Error> {
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        let device = Arc::new(MemDevice::from_image(image));
        let mut volume = Volume::open(device, Options { mode, ..Options::default() })?;
        let _ = snapshot(&mut volume);
        let _ = volume.check();
        let _ = volume.create_dir(ROOT, "new").and_then(|dir| {
            let file = volume.create_file(dir, "file")?;
            volume.write(file, 10_000, &[7; 9000])?;
            volume.rename(ROOT, "directory 1", dir, "moved")
        });
        let _ = volume.unlink(ROOT, "no such");
        let _ = volume.sync();
    }
    Volume::open(Arc::new(MemDevice::from_image(image)), Options::default())
}

#[test]
fn flipped_bits_in_metadata_are_mended_and_in_data_reported() {
    let (image, healthy) = filled();
    for seed in 0..400 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sick = image.clone();
        // Half of them in the data area.
        let range =
            if random.bool() { 0..SIZE as usize } else { FIRST_DATA * 4096..(FIRST_DATA + 120) * 4096 };
        let place = random.usize(range);
        sick[place] ^= 1 << random.u8(..8);
        let mut volume = use_it(&sick).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let in_data = place / 4096 >= FIRST_DATA;
        let report = volume.check().unwrap();
        if !in_data {
            assert_eq!(report.problems, [], "seed {seed}");
            assert_eq!(snapshot(&mut volume).unwrap(), healthy, "seed {seed}");
            continue;
        }
        // Each file is unchanged, or the one that holds the bit is an error.
        let bad: Vec<u64> = report
            .problems
            .iter()
            .map(|p| match p {
                Problem::BadBlock { ino, .. } => *ino,
                other => panic!("seed {seed}: {other:?}"),
            })
            .collect();
        assert!(bad.len() <= 1, "seed {seed}");
        let mut volume = Volume::open(Arc::new(MemDevice::from_image(&sick)), Options::default()).unwrap();
        for seen in healthy.values() {
            let What::File(data) = &seen.what else { continue };
            let mut out = vec![0; data.len()];
            let whole = volume.read(seen.ino, 0, &mut out);
            if bad.contains(&seen.ino) {
                assert!(
                    whole == Err(Error::Corrupt)
                        || whole.is_ok_and(|n| n < data.len() && out[..n] == data[..n])
                );
            } else {
                assert_eq!((whole, &out), (Ok(data.len()), &**data), "seed {seed}");
            }
        }
    }
}

#[test]
fn a_bad_block_costs_its_file_and_nothing_else() {
    let (mut image, healthy) = filled();
    image[FIRST_DATA * 4096..(FIRST_DATA + 1) * 4096].fill(0xee);
    let mut volume = use_it(&image).unwrap();
    let report = volume.check().unwrap();
    let [Problem::BadBlock { ino, offset: 0 }] = report.problems[..] else { panic!("{report:?}") };
    assert_eq!(volume.read(ino, 0, &mut [0; 10]), Err(Error::Corrupt));
    // Writing part of the block needs the rest of it; writing the whole block repairs the file.
    assert_eq!(volume.write(ino, 5, b"x"), Err(Error::Corrupt));
    let size = volume.stat(ino).unwrap().size as usize;
    volume.write(ino, 0, &vec![1; size.max(4096)]).unwrap();
    assert_eq!(volume.read(ino, 0, &mut [0; 10]), Ok(10));
    volume.sync().unwrap();
    assert_eq!(volume.check().unwrap().problems, []);
    assert_eq!(snapshot(&mut volume).unwrap().len(), healthy.len());
}

#[test]
fn garbage_anywhere_is_an_error_at_worst() {
    let (image, _) = filled();
    let (mut opened, mut refused) = (0, 0);
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut sick = image.clone();
        for _ in 0..random.u32(1..60) {
            let len = 1 << random.u32(0..14);
            // Mostly in metadata, and often at the same place in both copies.
            let place = match random.u8(..3) {
                0 => random.usize(..sick.len() - len),
                1 => random.usize(8192..4 * 4096 + 40 * 4608),
                _ => {
                    let place = random.usize(4 * 4096..4 * 4096 + 60 * 4608);
                    random.fill(&mut sick[place + 258 * 4608..place + 258 * 4608 + len]);
                    place
                }
            };
            random.fill(&mut sick[place..place + len]);
        }
        match use_it(&sick) {
            Ok(_) => opened += 1,
            Err(error) => {
                assert!(matches!(error, Error::Corrupt | Error::Io), "seed {seed}: {error}");
                refused += 1;
            }
        }
    }
    assert!(opened > 20 && refused > 20, "{opened} opened, {refused} refused");
}

#[test]
fn what_is_no_volume_is_refused() {
    let mut random = fastrand::Rng::with_seed(1);
    for size in [0, 1, 511, 4096, 100_000, MIN_DEVICE_BYTES as usize - 1, MIN_DEVICE_BYTES as usize, 5 << 20]
    {
        let mut bytes = vec![0; size];
        assert_eq!(use_it(&bytes).unwrap_err(), Error::Corrupt);
        random.fill(&mut bytes);
        assert_eq!(use_it(&bytes).unwrap_err(), Error::Corrupt);
    }
    // Truncated, and with everything but the superblock zeroed.
    let (image, _) = filled();
    assert_eq!(use_it(&image[..image.len() - 4096]).unwrap_err(), Error::Corrupt);
    let mut bare = vec![0; image.len()];
    bare[..8192].copy_from_slice(&image[..8192]);
    assert_eq!(use_it(&bare).unwrap_err(), Error::Corrupt);
}

#[test]
fn a_read_only_volume_is_read_and_not_touched() {
    let (image, healthy) = filled();
    let device = Arc::new(MemDevice::from_image(&image));
    let mut volume =
        Volume::open(device.clone(), Options { mode: Mode::ReadOnly, ..Options::default() }).unwrap();
    assert_eq!(snapshot(&mut volume).unwrap(), healthy);
    let file =
        healthy.values().find(|seen| matches!(&seen.what, What::File(d) if !d.is_empty())).unwrap().ino;
    assert_eq!(volume.write(file, 0, b"x"), Err(Error::ReadOnly));
    assert_eq!(volume.set_size(file, 0), Err(Error::ReadOnly));
    assert_eq!(volume.create_file(ROOT, "new"), Err(Error::ReadOnly));
    assert_eq!(volume.unlink(ROOT, "directory 0"), Err(Error::ReadOnly));
    assert_eq!(volume.stat(ROOT).unwrap().kind, Kind::Directory);
    assert_eq!(volume.sync(), Ok(()));
    drop(volume);
    let mut after = vec![0; SIZE as usize];
    device.read_at(0, &mut after).unwrap();
    assert!(after == image, "the medium changed");
}
