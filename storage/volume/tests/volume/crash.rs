//! Power cuts: all synced operations survive, and the state is one that some prefix of the completed
//! operations produced.

use std::sync::Arc;

use capos_volume::{BlockDevice, Error, MemDevice};

use crate::device::{Event, Recorder, tear};
use crate::model::Model;
use crate::ops::{Op, Pair, image, pick};
use crate::snapshot::snapshot;

const SIZE: u64 = 4 << 20;

/// A history: the device's requests, and the model after each number of operations.
struct History {
    log: Vec<Event>,
    models: Vec<Model>,
}

/// Runs random operations from `start` on a device that begins as `image`.
fn run(image: &[u8], start: Model, steps: usize, random: &mut fastrand::Rng) -> History {
    let recorder = Recorder::new(image, random.u64(..));
    recorder.mark(0, 0);
    let mut pair = Pair::open(recorder.clone(), start).unwrap();
    let mut models = vec![pair.model.clone()];
    let mut synced = 0;
    for _ in 0..steps {
        let op = pick(random, pair.model.open.len(), 24_000);
        pair.apply(&op, &[Error::NoSpace]);
        models.push(pair.model.clone());
        if matches!(op, Op::Sync) {
            synced = models.len() - 1;
        }
        recorder.mark(models.len() - 1, synced);
    }
    // Dropping without a sync writes too.
    drop(pair);
    recorder.mark(models.len() - 1, synced);
    History { log: recorder.take_log(), models }
}

/// A volume with so little free space that every free block is reused many times.
fn crowded(fresh: &[u8], left: u64) -> (Vec<u8>, Model) {
    let device = Arc::new(MemDevice::from_image(fresh));
    let mut pair = Pair::open(device.clone(), Model::new()).unwrap();
    pair.crowd(left);
    pair.apply(&Op::Sync, &[]);
    let mut image = fresh.to_vec();
    device.read_at(0, &mut image).unwrap();
    (image, pair.model)
}

/// Cuts the power at a random moment: returns the disk's content, and the range of operation counts it may
/// show.
fn cut(image: &[u8], history: &History, random: &mut fastrand::Rng) -> (Vec<u8>, usize, usize) {
    let moment = random.usize(1..=history.log.len());
    let mut disk = image.to_vec();
    let mut unflushed: Vec<(u64, &[u8])> = Vec::new();
    let (mut first, mut last) = (0, 0);
    for event in &history.log[..moment] {
        match event {
            Event::Write(offset, data) => unflushed.push((*offset, data)),
            Event::Flush => {
                for (offset, data) in unflushed.drain(..) {
                    disk[offset as usize..offset as usize + data.len()].copy_from_slice(data);
                }
            }
            Event::Mark { completed, synced } => (first, last) = (*synced, *completed),
        }
    }
    tear(&mut disk, &unflushed, random);
    (disk, first, last)
}

/// Opens the result of a cut and finds the state that it shows.
fn judge(disk: &[u8], history: &History, first: usize, last: usize, what: &str) -> Model {
    let device = Arc::new(MemDevice::from_image(disk));
    let mut pair = Pair::open(device, Model::new()).unwrap_or_else(|e| panic!("{what}: does not open: {e}"));
    let found = snapshot(&mut pair.volume).unwrap_or_else(|e| panic!("{what}: cannot be read: {e}"));
    assert_eq!(pair.volume.check().unwrap().problems, [], "{what}");
    let matching =
        (first..=last).rev().find(|n| history.models[*n].clone().interrupted().snapshot() == found);
    let Some(number) = matching else {
        panic!("{what}: no state from {first} to {last}: {found:#?}");
    };
    history.models[number].clone().interrupted()
}

#[test]
fn a_power_cut_leaves_a_prefix_with_all_that_was_synced() {
    let fresh = image(SIZE, None);
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (begin, model, steps) = if seed % 3 == 0 {
            let (begin, model) = crowded(&fresh, random.u64(0..30));
            (begin, model, 500)
        } else {
            (fresh.clone(), Model::new(), 100)
        };
        let history = run(&begin, model, steps, &mut random);
        for schedule in 0..80 {
            let (disk, first, last) = cut(&begin, &history, &mut random);
            judge(&disk, &history, first, last, &format!("seed {seed} schedule {schedule}"));
        }
    }
}

#[test]
fn a_power_cut_during_recovery_and_after_it_is_no_worse() {
    let fresh = image(SIZE, None);
    for seed in 1000..1100 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut start = (fresh.clone(), Model::new());
        for round in 0..5 {
            let steps = random.usize(..60);
            let history = run(&start.0, start.1, steps, &mut random);
            let (disk, first, last) = cut(&start.0, &history, &mut random);
            let model = judge(&disk, &history, first, last, &format!("seed {seed} round {round}"));
            start = (disk, model);
        }
    }
}

#[test]
fn refused_writes_lose_nothing_that_was_synced() {
    refuse(2000..2080, false);
}

#[test]
fn refused_reads_lose_nothing_either() {
    refuse(3000..3080, true);
}

/// Fails some of the volume's device requests.
fn refuse(seeds: std::ops::Range<u64>, reads_too: bool) {
    let fresh = image(SIZE, None);
    let mut reopened = 0;
    for seed in seeds {
        let mut random = fastrand::Rng::with_seed(seed);
        let recorder = Recorder::new(&fresh, seed);
        let mut pair = Pair::open(recorder.clone(), Model::new()).unwrap();
        let mut states = vec![pair.model.clone()];
        if reads_too {
            recorder.fail_reads_too();
        }
        recorder.fail_one_in(random.u32(20..400));
        for step in 0..200 {
            let op = pick(&mut random, pair.model.open.len(), 24_000);
            let error = pair.apply(&op, &[Error::NoSpace, Error::Io]);
            states.push(pair.model.clone());
            if matches!(op, Op::Sync) && error.is_none() {
                states.drain(..states.len() - 1);
            }
            if !pair.volume.has_failed() {
                continue;
            }
            // The session is over. A new one again shows a prefix.
            reopened += 1;
            drop(pair);
            recorder.fail_one_in(0);
            pair = Pair::open(recorder.clone(), Model::new()).unwrap();
            let found = snapshot(&mut pair.volume).unwrap();
            let matching =
                states.iter().rev().find(|model| (*model).clone().interrupted().snapshot() == found);
            let Some(model) = matching else { panic!("seed {seed} step {step}: {found:#?}") };
            pair.model = model.clone().interrupted();
            pair.model.now_ns = states[states.len() - 1].now_ns;
            assert_eq!(pair.volume.check().unwrap().problems, [], "seed {seed} step {step}");
            states = vec![pair.model.clone()];
            recorder.fail_one_in(random.u32(20..400));
        }
    }
    assert!(reopened > 40, "only {reopened} sessions ended");
}
