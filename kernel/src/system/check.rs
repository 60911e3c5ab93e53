//! The self-check of threads, processes, memory and devices.

use super::System;
use crate::{check::Problems, mm::frames};
use capos_kernel_core::walk::{Flaw, Walk};

impl System {
    /// Number of parts of the check.
    pub(crate) const CHECKS: u32 = 5;

    /// Runs one part of the check.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`], or another bug.
    pub(crate) fn check_part(
        &self,
        part: u32,
        problems: &mut Problems,
        walk: &mut Walk<'_>,
    ) -> Result<(), Flaw> {
        match part {
            0 => frames::check(walk),
            1 => self.sched.check(walk),
            2 => self.check_frames(problems, walk),
            3 => self.objects.check_mappings(self.processes.regions(), walk),
            _ => self.threads.check(&self.processes, problems, walk),
        }
    }

    /// Every frame is free, or belongs to the kernel, an object or a process.
    fn check_frames(&self, problems: &mut Problems, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let (free, total) = frames::counts();
        let mut accounted = free + frames::kernel_count();
        accounted += self.pci.held_frames();
        accounted += self.objects.count_frames(walk)?;
        accounted += self.processes.check_frames(problems, walk)?;
        if accounted != total {
            problems.push(format_args!("{accounted} frames accounted for, {total} exist"));
        }
        Ok(())
    }
}
