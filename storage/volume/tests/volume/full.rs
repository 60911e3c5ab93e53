//! Full volumes: the right error, no data loss, and recovery by freeing space.

use std::sync::Arc;

use capos_volume::{
    BlockDevice, Error, FormatOptions, Kind, MAX_TARGET_BYTES, MemDevice, Options, QuotaLimits, ROOT, Volume,
    room_bytes,
};

use crate::device::Sparse;
use crate::model::Model;
use crate::ops::{Op, Pair, image, pick};
use crate::snapshot::snapshot;

fn small() -> Volume {
    Volume::open(small_device(None), Options::default()).unwrap()
}

fn small_device(meta_bytes: Option<u64>) -> Arc<MemDevice> {
    Arc::new(MemDevice::from_image(&image(8 << 20, meta_bytes)))
}

#[test]
fn a_volume_full_of_data_says_so_and_can_be_overwritten_and_emptied() {
    let mut volume = small();
    for round in 0..4 {
        let file = volume.create_file(ROOT, "file").unwrap();
        let mut size = 0;
        let end = loop {
            match volume.append(file, &[round; 10_000]) {
                Ok((count, end)) => {
                    size += count as u64;
                    assert_eq!(end, size);
                }
                Err(error) => break error,
            }
        };
        assert_eq!(end, Error::NoSpace);
        assert!(!volume.is_full_of_names());
        assert!(size > 4_000_000, "full at {size}");
        assert!(volume.usage().blocks_free == 0);
        // Overwriting needs no additional space in the end, and finds the temporary space it needs.
        let mut at = 0;
        while at < size {
            let count = volume.write(file, at, &vec![round + 100; (size - at).min(50_000) as usize]);
            let count = count
                .unwrap_or_else(|e| panic!("round {round} at {at} of {size}: {e}: {:?}", volume.usage()));
            at += count as u64;
        }
        volume.sync().unwrap();
        assert_eq!(volume.allocate(file, 0, size + 500_000), Err(Error::NoSpace));
        let mut out = vec![0; size as usize];
        assert_eq!(volume.read(file, 0, &mut out).unwrap(), out.len());
        assert!(out.iter().all(|b| *b == round + 100));
        // Truncating in the middle of a block works on a full volume.
        volume.set_size(file, size - 5001).unwrap();
        volume.unlink(ROOT, "file").unwrap();
        volume.sync().unwrap();
        assert_eq!(volume.check().unwrap().problems, []);
    }
}

#[test]
fn a_volume_has_room_for_as_much_as_is_said() {
    for mebibytes in [4, 5, 8, 21, 64] {
        let bytes = mebibytes << 20;
        let device = Arc::new(MemDevice::from_image(&image(bytes, None)));
        let mut volume = Volume::open(device, Options::default()).unwrap();
        let file = volume.create_file(ROOT, "file").unwrap();
        let mut size = 0;
        while let Ok((count, _)) = volume.append(file, &[7; 20_000]) {
            size += count as u64;
            volume.sync().unwrap();
        }
        let room = room_bytes(bytes, None);
        assert!(size >= room && size <= room + room / 50, "{mebibytes} MiB: {size}, not {room}");
    }
    assert_eq!(room_bytes(0, None), 0);
}

#[test]
fn a_volume_takes_as_many_small_files_without_a_sync() {
    for sync_every in [100, usize::MAX] {
        let device: Arc<dyn BlockDevice> = Sparse::new(64 << 20);
        Volume::format(&device, FormatOptions::default(), 0).unwrap();
        let mut volume = Volume::open(device, Options::default()).unwrap();
        let mut made = 0;
        let end = loop {
            let file = match volume.create_file(ROOT, &format!("file-{made:05}.txt")) {
                Ok(file) => file,
                Err(error) => break error,
            };
            match volume.write(file, 0, &[7; 64]) {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
            if made % sync_every == 0 {
                volume.sync().unwrap();
            }
        };
        assert_eq!(end, Error::NoSpace);
        assert!(made > 7_000, "full after {made} files: {:?}", volume.usage());
        assert_eq!(volume.check().unwrap().problems, []);
    }
}

#[test]
fn a_volume_full_of_names_says_so_and_can_be_emptied() {
    // Areas that the store grows into exactly, and others; it also shrinks, so the next round starts
    // elsewhere.
    for pages in [258, 300, 400, 511, 515, 600] {
        let device = small_device(Some(pages * 4096));
        let mut volume = Volume::open(device.clone(), Options::default()).unwrap();
        let mut random = fastrand::Rng::with_seed(pages);
        for round in 0..5 {
            let name = |number: u32| {
                format!(
                    "a name of some length, number {number:05}, {}",
                    "x".repeat(number as usize * 7 % 190)
                )
            };
            let mut made = 0;
            let end = loop {
                match volume.create_file(ROOT, &name(made)) {
                    Ok(_) => made += 1,
                    Err(error) => break error,
                }
                if random.u8(..100) == 0 {
                    volume.sync().unwrap();
                }
            };
            assert_eq!(end, Error::NoSpace);
            assert!(made > 120, "{pages} pages, round {round}: full after {made} files");
            // Renaming to a name of equal length, and all removals, still work; also in the worst case for
            // the tree: all but a few scattered names, in one transaction.
            volume.rename(ROOT, &name(0), ROOT, &name(0).replace("number", "numero")).unwrap();
            let mut kept = Vec::new();
            for number in 1..made {
                if round % 2 == 0 && number % 16 == 0 {
                    kept.push(number);
                } else {
                    volume.unlink(ROOT, &name(number)).unwrap();
                }
            }
            assert_eq!(volume.check().unwrap().problems, []);
            while volume.create_dir(ROOT, &format!("another {}", random.u64(..))).is_ok() {}
            volume.sync().unwrap();
            assert_eq!(volume.check().unwrap().problems, []);
            for listed in volume.read_dir(ROOT, 0, usize::MAX).unwrap() {
                match listed.entry.kind {
                    Kind::Directory => volume.remove_dir(ROOT, &listed.name).unwrap(),
                    _ => volume.unlink(ROOT, &listed.name).unwrap(),
                }
            }
            volume.sync().unwrap();
            assert!(!volume.has_failed());
            if random.bool() {
                drop(volume);
                volume = Volume::open(device.clone(), Options::default()).unwrap();
            }
        }
    }
}

#[test]
fn a_volume_full_of_names_can_be_overwritten() {
    let device = small_device(Some(258 * 4096));
    let mut volume = Volume::open(device, Options::default()).unwrap();
    let file = volume.create_file(ROOT, "file").unwrap();
    volume.write(file, 0, &[1; 1 << 20]).unwrap();
    volume.sync().unwrap();
    let end =
        (0..).find_map(|n| volume.create_symlink(ROOT, &n.to_string(), &"x".repeat(MAX_TARGET_BYTES)).err());
    assert_eq!((end, volume.is_full_of_names()), (Some(Error::NoSpace), true));
    volume.create_file(ROOT, "a short name").unwrap();
    assert!(!volume.is_full_of_names());
    let end = (0..).find_map(|n| volume.create_file(ROOT, &format!("{:200}", n)).err());
    assert_eq!((end, volume.is_full_of_names()), (Some(Error::NoSpace), true));
    assert_eq!(volume.allocate(file, 0, 1 << 30), Err(Error::NoSpace));
    assert!(!volume.is_full_of_names(), "that was about data");
    // Repeatedly, in one transaction and in many; only new blocks find no space.
    for round in 0..20 {
        for at in (0..1 << 20).step_by(37_000) {
            let len = 37_000.min((1 << 20) - at as usize);
            assert_eq!(volume.write(file, at, &vec![round; len]), Ok(len), "round {round} at {at}");
        }
        if round % 3 == 0 {
            volume.sync().unwrap();
        }
    }
    assert_eq!(volume.write(file, 1 << 30, b"x"), Err(Error::NoSpace));
    volume.set_size(file, 5000).unwrap();
    volume.sync().unwrap();
    let mut out = vec![0; 6000];
    assert_eq!(volume.read(file, 0, &mut out), Ok(5000));
    assert!(out[..5000].iter().all(|byte| *byte == 19));
    assert_eq!(volume.check().unwrap().problems, []);
}

#[test]
fn allocating_much_at_once_cannot_exhaust_the_metadata() {
    // A large device with space for few records, in a store that could grow once more.
    let device: Arc<dyn BlockDevice> = Sparse::new(1 << 30);
    Volume::format(&device, FormatOptions { id: 7, meta_bytes: Some(600 * 4096) }, 0).unwrap();
    let mut volume = Volume::open(device, Options::default()).unwrap();
    let file = volume.create_file(ROOT, "file").unwrap();
    assert_eq!(volume.allocate(file, 0, 1000 << 20), Err(Error::NoSpace));
    assert_eq!(volume.stat(file).unwrap().stored_bytes, 0);
    volume.allocate(file, 0, 4 << 20).unwrap();
    volume.sync().unwrap();
    assert_eq!(volume.stat(file).unwrap().stored_bytes, 4 << 20);
    assert_eq!(volume.check().unwrap().problems, []);
}

#[test]
fn holes_cannot_exhaust_the_metadata_unseen() {
    let mut volume = small();
    let file = volume.create_file(ROOT, "sparse").unwrap();
    // The worst case for the map: two distant blocks in every record, in endless files.
    let mut random = fastrand::Rng::with_seed(3);
    let end = (0..100_000u64).find_map(|_| {
        let at = random.u64(..1 << 40);
        volume.write(file, at, b"x").err()
    });
    assert_eq!(end, Some(Error::NoSpace));
    volume.sync().unwrap();
    assert_eq!(volume.check().unwrap().problems, []);
    volume.set_size(file, 0).unwrap();
    volume.sync().unwrap();
    assert_eq!(volume.stat(file).unwrap().stored_bytes, 0);
    assert!(volume.usage().blocks_free > 300);
}

#[test]
fn random_histories_on_a_volume_that_is_too_small() {
    let image = image(4 << 20, None);
    let mut refused = 0;
    for seed in 0..25 {
        let mut random = fastrand::Rng::with_seed(seed);
        let device = Arc::new(MemDevice::from_image(&image));
        let mut pair = Pair::open(device.clone(), Model::new()).unwrap();
        pair.crowd(random.u64(0..80));
        for step in 0..500 {
            let op = pick(&mut random, pair.model.open.len(), 150_000);
            refused += u32::from(pair.apply(&op, &[Error::NoSpace]) == Some(Error::NoSpace));
            assert!(!pair.volume.has_failed());
            if step % 100 == 99 {
                assert_eq!(
                    snapshot(&mut pair.volume).unwrap(),
                    pair.model.snapshot(),
                    "seed {seed} step {step}"
                );
                pair.apply(&Op::Sync, &[]);
                assert_eq!(pair.volume.check().unwrap().problems, [], "seed {seed} step {step}");
            }
        }
    }
    assert!(refused > 100, "only {refused} operations found no space");
}

#[test]
fn quotas_bound_a_tree_and_follow_what_moves() {
    let device = Arc::new(MemDevice::from_image(&image(16 << 20, None)));
    let mut volume = Volume::open(device.clone(), Options::default()).unwrap();
    let outer = volume.create_dir(ROOT, "outer").unwrap();
    let before = volume.create_file(outer, "before").unwrap();
    volume.write(before, 0, &[1; 8192]).unwrap();
    let limits = |bytes, inodes| QuotaLimits { bytes, inodes };
    volume.set_quota(outer, limits(Some(100_000), Some(6))).unwrap();
    let inner = volume.create_dir(outer, "inner").unwrap();
    volume.set_quota(inner, limits(Some(1 << 30), Some(3))).unwrap();

    // outer, before, inner, and one more within each.
    let a = volume.create_file(outer, "a").unwrap();
    let b = volume.create_file(inner, "b").unwrap();
    let used = volume.quota(outer).unwrap().unwrap();
    assert_eq!((used.inodes, used.bytes), (5, 8192));
    assert_eq!(volume.quota(inner).unwrap().unwrap().inodes, 2);

    // The outer tree is charged for the inner one: 100 kB are 24 blocks, two of them already counted.
    assert_eq!(volume.write(b, 0, &[2; 200_000]).unwrap(), 22 * 4096);
    assert_eq!(volume.write(a, 0, b"x"), Err(Error::Quota));
    assert_eq!(volume.write(b, 0, &[3; 5000]), Ok(5000));
    volume.create_file(inner, "c").unwrap();
    assert_eq!(volume.create_file(inner, "d"), Err(Error::Quota));
    assert_eq!(volume.create_file(outer, "d"), Err(Error::Quota));

    // Across the border: files are charged to the new tree, directories and links are refused.
    assert_eq!(volume.link(before, inner, "before"), Err(Error::CrossDevice));
    let dir = volume.create_dir(ROOT, "dir").unwrap();
    assert_eq!(volume.rename(ROOT, "dir", outer, "dir"), Err(Error::CrossDevice));
    let big = volume.create_file(dir, "big").unwrap();
    volume.write(big, 0, &[4; 50_000]).unwrap();
    volume.unlink(inner, "c").unwrap();
    assert_eq!(volume.rename(dir, "big", outer, "big"), Err(Error::Quota));
    volume.rename(inner, "b", dir, "b").unwrap();
    volume.rename(dir, "big", outer, "big").unwrap();

    // The same after reopening.
    let used = (volume.quota(outer).unwrap(), volume.quota(inner).unwrap());
    assert_eq!(used.0.unwrap().bytes, (2 + 13) * 4096);
    volume.sync().unwrap();
    drop(volume);
    let mut volume = Volume::open(device, Options::default()).unwrap();
    assert_eq!((volume.quota(outer).unwrap(), volume.quota(inner).unwrap()), used);
    volume.remove_dir(outer, "inner").unwrap();
    assert_eq!(volume.quota(outer).unwrap().unwrap().inodes, 4);
    assert_eq!(volume.quota(ROOT).unwrap(), None);
}
