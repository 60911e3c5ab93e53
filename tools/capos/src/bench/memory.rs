//! The smallest machine.

use std::time::Duration;

use anyhow::{Result, bail};

use super::guest::How;
use super::{Bench, HELLO_OUTPUT, Measure};
use crate::qemu::{ConsoleLine, MachineEnd};
use crate::workplace::Workplace;

/// A machine that is too small may also hang.
const TIMEOUT: Duration = Duration::from_secs(20);
/// Upper end of the search; assumed to suffice.
const ENOUGH_MIB: u32 = 128;

impl Bench<'_> {
    /// The smallest memory in MiB with which a manifest of the hello program passes. If it has a cache, the first machine, which has
    /// ample memory, fills it.
    pub(super) fn smallest_memory(&self, manifest: &str, name: &str) -> Result<Measure> {
        let manifest = self.project.manifest(manifest);
        let disks = Workplace::make()?;
        let passes = |memory_mib| {
            let shown = self.boot_on(
                &manifest,
                &How {
                    memory_mib,
                    count_instructions: false,
                    timeout: TIMEOUT,
                    console: ConsoleLine::Serial,
                },
                Some(disks.path()),
            )?;
            Ok(shown.end == MachineEnd::Status(0) && shown.output == HELLO_OUTPUT)
        };
        let smallest = smallest(ENOUGH_MIB, passes)?;
        Ok(Measure::new(name, smallest.into(), "MiB"))
    }
}

/// The smallest number from 1 to `enough` that `passes`, given that all larger ones do too.
fn smallest(enough: u32, mut passes: impl FnMut(u32) -> Result<bool>) -> Result<u32> {
    if !passes(enough)? {
        bail!("{enough} MiB of memory are not enough");
    }
    let (mut fails, mut passed) = (0, enough);
    while passed - fails > 1 {
        let middle = fails.midpoint(passed);
        if passes(middle)? { passed = middle } else { fails = middle }
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_each_number() {
        for wanted in 1..=128 {
            assert_eq!(smallest(128, |tried| Ok(tried >= wanted)).unwrap(), wanted);
        }
        assert!(smallest(128, |_| Ok(false)).is_err());
    }
}
