//! Clocks that are calibrated while the host deschedules the guest.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use capos_tests::expectation::Expectation;
use capos_tests::{capos, tree};
use libtest_mimic::Trial;

use crate::trial;

const NAME: &str = "clocks";
/// Number of boots, each with a calibration.
const BOOTS: u32 = 3;
/// Busy loops per processor of the host.
const LOOPS: usize = 3;

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("clocks-on-a-busy-host".to_owned(), boot)]
}

/// The guest compares its clocks itself, so the test does not depend on how long that takes.
fn boot() -> Result<()> {
    let expected = Expectation::read(NAME)?;
    let manifest = tree::manifest(NAME);
    let manifest = manifest.to_str().context("a path that is not UTF-8")?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..LOOPS * processors {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let checked = (0..BOOTS).try_for_each(|_| capos::check("clocks-busy", &[manifest], &expected));
        stop.store(true, Ordering::Relaxed);
        checked
    })
}
