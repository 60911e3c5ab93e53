//! The kernel checks itself, for tests.

use crate::{kernel::Kernel, mm, thread::RunState};
use capos_abi::NO_DEADLINE;
use core::fmt::{self, Write};

/// More than these would not help anybody.
const MAX_PROBLEMS: usize = 16;
const MAX_LINE_BYTES: usize = 120;

/// A sentence, cut where it would be too long.
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

/// What a check found, in memory of its own: there may be no other left.
pub(crate) struct Problems {
    lines: [Line; MAX_PROBLEMS],
    count: usize,
}

impl Problems {
    const fn new() -> Self {
        Self { lines: [Line { text: [0; MAX_LINE_BYTES], length: 0 }; MAX_PROBLEMS], count: 0 }
    }

    fn push(&mut self, problem: fmt::Arguments<'_>) {
        if let Some(line) = self.lines.get_mut(self.count) {
            // A line takes everything.
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
    /// Walks queues, page tables, frame counts, capabilities and calls. Every sentence returned is a bug.
    pub(crate) fn self_check(&mut self) -> Problems {
        let mut problems = Problems::new();
        if !mm::frames::is_consistent() {
            problems.push(format_args!("the frame allocator's summaries disagree"));
        }
        if !self.timers.is_consistent() {
            problems.push(format_args!("the timer queue is out of order"));
        }
        if !self.cpus.iter().all(crate::sched::Cpu::is_consistent) {
            problems.push(format_args!("a run queue's links disagree"));
        }
        self.check_frames(&mut problems);
        let regions = || self.processes.iter().flat_map(|(_, process)| process.space.regions().regions());
        if let Some(object) = self.objects.miscounted(regions) {
            problems
                .push(format_args!("memory object {object:?} miscounts its writable or executable mappings"));
        }
        self.check_threads(&mut problems);
        if let Err(problem) = self.ipc().check() {
            problems.push(format_args!("{problem}"));
        }
        problems
    }

    /// Every frame is free, the kernel's, an object's, or a process's.
    fn check_frames(&self, problems: &mut Problems) {
        let (free, total) = mm::frames::counts();
        let mut accounted = free + mm::frames::kernel_count();
        accounted += self.pci.held_frames();
        accounted += self.objects.iter().map(|(_, frames)| frames).sum::<u64>();
        for (_, process) in self.processes.iter() {
            let counted = process.space.count_frames();
            accounted += u64::from(counted);
            if counted > process.space.budget.used() {
                problems.push(format_args!(
                    "process {}: {counted} frames in page tables, {} charged",
                    process.name,
                    process.space.budget.used()
                ));
            }
            if !process.space.regions().is_consistent() {
                problems.push(format_args!("process {}: its regions are out of order", process.name));
            }
        }
        if accounted != total {
            problems.push(format_args!("{accounted} frames accounted for, {total} exist"));
        }
    }

    fn check_threads(&self, problems: &mut Problems) {
        for (id, thread) in self.threads.iter() {
            let Some(process) = self.processes.get(thread.process) else {
                problems.push(format_args!("thread {id:?} has no process"));
                continue;
            };
            // Whoever takes a process down may be one of its own threads, and then goes last.
            let is_ending = process.end.is_some() && self.has_job(id);
            if !is_ending && !process.threads().any(|other| other == id) {
                problems.push(format_args!("thread {id:?} is not one of its process's"));
            }
            let waiting = matches!(thread.run_state, RunState::Waiting(_));
            if waiting && thread.wait_until_ns != NO_DEADLINE && thread.timer.is_none() {
                problems.push(format_args!("thread {id:?} waits for a time but has no timer"));
            }
        }
    }
}
