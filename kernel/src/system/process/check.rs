//! The self-check of processes.

use super::Processes;
use crate::check::Problems;
use capos_kernel_core::{
    regions::Region,
    walk::{Flaw, Walk},
};

impl Processes {
    /// Every region of every address space.
    pub(in crate::system) fn regions(&self) -> impl Iterator<Item = &Region> {
        self.all.iter().flat_map(|(_, process)| process.space.regions().regions())
    }

    /// Checks address spaces, and counts their frames.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(in crate::system) fn check_frames(
        &self,
        problems: &mut Problems,
        walk: &mut Walk<'_>,
    ) -> Result<u64, Flaw> {
        let mut frames = 0;
        for process in self.all.every() {
            walk.look()?;
            let Some((_, process)) = process else { continue };
            let counted = process.space.count_frames(walk)?;
            frames += u64::from(counted);
            if counted > process.space.budget.used() {
                problems.push(format_args!(
                    "process {}: {counted} frames in page tables, {} charged",
                    process.name,
                    process.space.budget.used()
                ));
            }
            if !process.space.regions().is_consistent(walk)? {
                problems.push(format_args!("process {}: its regions are out of order", process.name));
            }
        }
        Ok(frames)
    }
}
