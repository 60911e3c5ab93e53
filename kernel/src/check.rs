//! The kernel's self-check, for tests.

use crate::{kernel::Kernel, mm, thread::RunState};
use capos_abi::NO_DEADLINE;
use capos_kernel_core::{
    ipc::Ipc,
    walk::{Flaw, Walk},
};
use core::fmt::{self, Write};

/// Maximum number of reported problems.
const MAX_PROBLEMS: usize = 16;
const MAX_LINE_BYTES: usize = 120;

/// A sentence, truncated if too long.
#[derive(Clone, Copy)]
struct Line {
    text: [u8; MAX_LINE_BYTES],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = text.get(..text.floor_char_boundary(MAX_LINE_BYTES - self.length)).unwrap_or_default();
        let end = self.length + text.len();
        if let Some(place) = self.text.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        Ok(())
    }
}

/// The findings of a check, in preallocated memory, since there may be no other left.
pub(crate) struct Problems {
    lines: [Line; MAX_PROBLEMS],
    count: usize,
}

impl Problems {
    pub(crate) const fn new() -> Self {
        Self { lines: [Line { text: [0; MAX_LINE_BYTES], length: 0 }; MAX_PROBLEMS], count: 0 }
    }

    pub(crate) fn push(&mut self, problem: fmt::Arguments<'_>) {
        if let Some(line) = self.lines.get_mut(self.count) {
            // Writing to a line cannot fail.
            let _ = line.write_fmt(problem);
            self.count += 1;
        }
    }

    /// The sentences.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        let lines = self.lines.get(..self.count).unwrap_or_default().iter();
        lines.map(|line| {
            line.text.get(..line.length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
        })
    }
}

impl Kernel {
    /// Number of parts of the check besides those for calls and capabilities.
    const OWN_CHECKS: u32 = 6;
    /// Number of parts of the check. Each part compares a consistent state; the parts may run at different times.
    pub(crate) const CHECKS: u32 = Self::OWN_CHECKS + Ipc::CHECKS;

    /// Runs one part of the check. Every sentence reported is a bug.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`], or another bug.
    pub(crate) fn check_part(
        &mut self,
        part: u32,
        problems: &mut Problems,
        walk: &mut Walk<'_>,
    ) -> Result<(), Flaw> {
        match part {
            0 => mm::frames::check(walk),
            1 => self.system.sched.check_timers(walk),
            2 => self.system.sched.check_queues(walk),
            3 => self.check_frames(problems, walk),
            4 => {
                let processes = self.system.processes.iter();
                let regions = processes.flat_map(|(_, process)| process.space.regions().regions());
                self.system.objects.check_mappings(regions, walk)
            }
            5 => self.check_threads(problems, walk),
            part => self.ipc.check_part(part - Self::OWN_CHECKS, walk),
        }
    }

    /// Every frame is free, or belongs to the kernel, an object or a process.
    fn check_frames(&self, problems: &mut Problems, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let (free, total) = mm::frames::counts();
        let mut accounted = free + mm::frames::kernel_count();
        accounted += self.system.pci.held_frames();
        accounted += self.system.objects.count_frames(walk)?;
        for process in self.system.processes.every() {
            walk.look()?;
            let Some((_, process)) = process else { continue };
            let counted = process.space.count_frames(walk)?;
            accounted += u64::from(counted);
            if counted > process.space.budget.used() {
                problems.push(format_args!(
                    "process {}: {counted} frames in page tables, {} charged",
                    process.name,
                    process.space.budget.used()
                ));
            }
            walk.look_at(process.space.regions().regions().len() as u32 / 4)?;
            if !process.space.regions().is_consistent() {
                problems.push(format_args!("process {}: its regions are out of order", process.name));
            }
        }
        if accounted != total {
            problems.push(format_args!("{accounted} frames accounted for, {total} exist"));
        }
        Ok(())
    }

    fn check_threads(&self, problems: &mut Problems, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        for thread in self.system.threads.every() {
            walk.look()?;
            let Some((id, thread)) = thread else { continue };
            let Some(process) = self.system.processes.get(thread.process) else {
                problems.push(format_args!("thread {id:?} has no process"));
                continue;
            };
            // A process may be torn down by one of its own threads, which is then the last to go.
            let is_ending = process.end.is_some() && self.system.has_job(id);
            if !is_ending && process.thread(thread.slot) != Some(id) {
                problems.push(format_args!("thread {id:?} is not one of its process's"));
            }
            let waiting = matches!(thread.run_state, RunState::Waiting(_));
            if waiting && thread.wait_until_ns != NO_DEADLINE && thread.timer.is_none() {
                problems.push(format_args!("thread {id:?} waits for a time but has no timer"));
            }
        }
        Ok(())
    }
}
