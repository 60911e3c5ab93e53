//! Long random histories against the model.

use std::sync::Arc;

use capos_volume::MemDevice;

use crate::model::Model;
use crate::ops::{Op, Pair, image, pick};
use crate::snapshot::snapshot;

#[test]
fn a_volume_does_what_the_model_does() {
    compare(0..12, 1500);
}

#[test]
fn a_volume_does_so_for_long() {
    compare(100..102, 20_000);
}

/// Histories of this many steps.
fn compare(seeds: std::ops::Range<u64>, steps: u32) {
    let image = image(16 << 20, None);
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let device = Arc::new(MemDevice::from_image(&image));
        let mut pair = Pair::open(device.clone(), Model::new()).unwrap();
        for step in 0..steps {
            let op = pick(&mut random, pair.model.open.len(), 200_000);
            pair.apply(&op, &[]);
            if step % 50 == 0 {
                assert_eq!(
                    snapshot(&mut pair.volume).unwrap(),
                    pair.model.snapshot(),
                    "seed {seed} step {step}"
                );
            }
            if random.u8(..) == 0 {
                // Closing normally loses nothing.
                pair.apply(&Op::Sync, &[]);
                assert_eq!(pair.volume.check().unwrap().problems, [], "seed {seed} step {step}");
                let model = pair.model.clone();
                drop(pair);
                pair = Pair::open(device.clone(), model).unwrap();
                assert_eq!(
                    snapshot(&mut pair.volume).unwrap(),
                    pair.model.snapshot(),
                    "seed {seed} step {step}"
                );
            }
        }
        assert_eq!(pair.volume.check().unwrap().problems, [], "seed {seed}");
    }
}
