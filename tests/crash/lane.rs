//! One volume, its history, and the progress in it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use capos_history::{Op, Tree};
use capos_tests::command::{Input, Kill, Outcome};
use capos_tests::disks::Disks;
use capos_tests::{capos, tree};

use crate::image;

/// Its guest prints a line for each completed operation, as the program "fs-workload" describes.
const MANIFEST: &str = "fs-log";
const DISK: &str = "disk0";
/// More than any boot reaches.
const ENDLESS: u64 = 1 << 40;
/// The guest completes up to about this many operations, and then continues briefly, before it is killed.
const WORK: u64 = 80;
const MORE_WORK: Duration = Duration::from_millis(20);
/// A boot that is killed at any moment, so that recovery is hit too.
const BOOT: Duration = Duration::from_millis(1500);
const LIMIT: Duration = Duration::from_secs(300);
/// Operations whose lines may be in transit when the machine is killed: in the guest's console, the serial line and
/// pipes.
const UNSEEN: u64 = 5000;

/// The events of a lane, counted.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Number of kills.
    pub(crate) kills: u32,
    /// Number of kills while the guest was working.
    pub(crate) at_work: u32,
    /// Number of kills during a sync.
    pub(crate) in_sync: u32,
    /// Number of times that the volume was behind the last completed operation, which no sync had followed.
    pub(crate) lost_unsynced: u32,
    /// Number of times that it was ahead of the last reported sync.
    pub(crate) ahead_of_sync: u32,
    /// Operations that survived.
    pub(crate) operations: u64,
}

pub(crate) struct Lane {
    seed: u64,
    disks: Disks,
    random: fastrand::Rng,
    /// Number of operations in the volume's state.
    done: u64,
    /// The resulting tree.
    state: Tree,
}

/// The guest's output before the kill.
struct Said {
    /// Completed operations since the first one.
    done: u64,
    /// Synced operations among them.
    synced: u64,
}

impl Lane {
    /// A new volume.
    pub(crate) fn new(seed: u64) -> Result<Self> {
        let disks = Disks::new(&[DISK.to_owned()])?;
        let random = fastrand::Rng::with_seed(seed);
        Ok(Self { seed, disks, random, done: 0, state: Tree::default() })
    }

    /// Boots, kills, and compares.
    pub(crate) fn kill(&mut self, tally: &mut Tally) -> Result<()> {
        let outcome = self.boot()?;
        let number = tally.kills + 1;
        self.judge(&outcome, tally).with_context(|| {
            format!(
                "seed {}, kill {number}, operations from {} on\n--- standard output\n{}\n--- standard error\n{}",
                self.seed,
                self.done,
                String::from_utf8_lossy(&outcome.stdout),
                String::from_utf8_lossy(&outcome.stderr),
            )
        })
    }

    fn boot(&mut self) -> Result<Outcome> {
        let until = |random: &mut fastrand::Rng, most: Duration| {
            Duration::from_micros(random.u64(0..=u64::try_from(most.as_micros()).unwrap_or(u64::MAX)))
        };
        let mut last = self.done + self.random.u64(..WORK);
        // Syncs are the most critical moments, so half of the kills are aimed at one.
        if self.random.bool() {
            while Op::number(self.seed, last + 1) != Op::Sync {
                last += 1;
            }
        }
        // Numbers only increase, so no earlier one ends in the same digits.
        let line = format!("{last}\n");
        let kill = if self.random.u8(..8) == 0 {
            Kill::After(until(&mut self.random, BOOT))
        } else {
            Kill::AfterText { text: &line, delay: until(&mut self.random, MORE_WORK), limit: LIMIT }
        };
        let manifest = tree::manifest(MANIFEST);
        let manifest = manifest.to_str().context("a path that is not UTF-8")?;
        let input = format!("{} {} {ENDLESS}\n", self.seed, self.done);
        let test = format!("crash-{}", self.seed);
        capos::boot_and_kill(&test, &[manifest], &self.disks, Input::Bytes(input.as_bytes()), kill)
    }

    fn judge(&mut self, outcome: &Outcome, tally: &mut Tally) -> Result<()> {
        ensure!(outcome.timed_out, "it ended by itself, with status {:?}", outcome.status);
        let said = self.said(&String::from_utf8_lossy(&outcome.stdout))?;
        let file = self.disks.file(0);
        // Before the first boot has come this far there is no image.
        let found = if file.exists() { image::read(&file)? } else { Tree::default() };

        let mut state = self.state.clone();
        let mut done = self.done;
        while done < said.synced {
            state.apply(done, &Op::number(self.seed, done));
            done += 1;
        }
        while state != found {
            if done == said.done + UNSEEN {
                bail!(
                    "no number of operations from {} to {} leads to what the volume shows: {:?}",
                    said.synced,
                    said.done,
                    summary(&found)
                );
            }
            state.apply(done, &Op::number(self.seed, done));
            done += 1;
        }
        tally.kills += 1;
        tally.at_work += u32::from(said.done > self.done);
        tally.in_sync += u32::from(Op::number(self.seed, said.done) == Op::Sync);
        tally.lost_unsynced += u32::from(done < said.done);
        tally.ahead_of_sync += u32::from(done > said.synced);
        tally.operations += done - self.done;
        (self.done, self.state) = (done, state);
        Ok(())
    }

    /// Parses the lines. The last one may be truncated; the rest are consecutive numbers.
    fn said(&self, output: &str) -> Result<Said> {
        let mut said = Said { done: self.done, synced: self.done };
        for line in output.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let number = line.strip_prefix('s').unwrap_or(line);
            ensure!(number.parse() == Ok(said.done), "the guest said {line:?}, and not {}", said.done);
            said.done += 1;
            if line.starts_with('s') {
                said.synced = said.done;
            }
        }
        Ok(said)
    }
}

/// Names and lengths, for messages.
fn summary(tree: &Tree) -> Vec<String> {
    let directories = tree.directories.iter().map(|path| format!("{path}/"));
    directories.chain(tree.files.iter().map(|(path, bytes)| format!("{path} {}", bytes.len()))).collect()
}
