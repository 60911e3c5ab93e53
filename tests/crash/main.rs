//! Kills QEMU at random moments while a guest works on a volume, and checks the disk image each time.
//!
//! Data that a killed QEMU had handed to the host is in the image: the host continues, and keeps its page cache, in any
//! cache mode. So this test shows that the guest hands over the right data, in an order that leaves the image consistent
//! at any moment, and that driver, file service and volume recover from it, hundreds of times in a row on the same image.
//! The further effects of a power cut, losing, tearing and reordering unflushed data, are simulated on the volume library
//! by a fault-injecting device (`storage/volume/tests/volume/crash.rs`).

mod image;
mod lane;

use anyhow::{Result, ensure};
use lane::{Lane, Tally};

/// Number of kills of each lane; lanes run concurrently, each with its own volume.
const KILLS: u32 = 150;

/// Successive kills on the same volume.
fn run(seed: u64) -> Result<()> {
    let mut lane = Lane::new(seed)?;
    let mut tally = Tally::default();
    while tally.kills < KILLS {
        lane.kill(&mut tally)?;
    }
    println!("seed {seed}: {tally:?}");
    // A test that never kills during work would prove nothing.
    ensure!(tally.operations > 5 * u64::from(KILLS), "too little was done: {tally:?}");
    ensure!(tally.at_work > KILLS / 2, "too few kills hit the guest at work: {tally:?}");
    ensure!(tally.in_sync > KILLS / 20, "too few kills hit a sync: {tally:?}");
    ensure!(tally.lost_unsynced > KILLS / 10, "too few kills had anything to lose: {tally:?}");
    Ok(())
}

#[test]
fn killed_at_any_moment_a_volume_shows_a_prefix_with_all_that_was_synced() -> Result<()> {
    run(1)
}

#[test]
fn and_so_does_another_one() -> Result<()> {
    run(2)
}
