//! The self-check of threads.

use super::Threads;
use crate::{check::Problems, system::process::Processes};
use capos_kernel_core::walk::{Flaw, Walk};

impl Threads {
    /// Checks that each thread belongs to a process, and will wake.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    pub(in crate::system) fn check(
        &self,
        processes: &Processes,
        problems: &mut Problems,
        walk: &mut Walk<'_>,
    ) -> Result<(), Flaw> {
        for thread in self.all.every() {
            walk.look()?;
            let Some((id, thread)) = thread else { continue };
            let Some(process) = processes.get(thread.process) else {
                problems.push(format_args!("thread {id:?} has no process"));
                continue;
            };
            // A process may be torn down by one of its own threads, which is then the last to go.
            let is_ending = process.has_ended() && thread.work.job.is_some();
            if !is_ending && process.thread(thread.slot) != Some(id) {
                problems.push(format_args!("thread {id:?} is not one of its process's"));
            }
            if thread.is_stuck() {
                problems.push(format_args!("thread {id:?} waits for a time but has no timer"));
            }
        }
        Ok(())
    }
}
