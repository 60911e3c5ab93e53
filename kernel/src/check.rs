//! The kernel checks itself, for tests.

use crate::{kernel::Kernel, mm, thread::RunState};
use alloc::{format, string::String, vec::Vec};
use capos_abi::NO_DEADLINE;

impl Kernel {
    /// Walks queues, page tables and frame counts. Every sentence returned is a bug.
    pub fn self_check(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        if !mm::frames::is_consistent() {
            problems.push(String::from("the frame allocator's summaries disagree"));
        }
        if !self.timers.is_consistent() {
            problems.push(String::from("the timer queue is out of order"));
        }
        if !self.cpus.iter().all(crate::sched::Cpu::is_consistent) {
            problems.push(String::from("a run queue's links disagree"));
        }
        self.check_frames(&mut problems);
        let regions = || self.processes.iter().flat_map(|(_, process)| process.space.regions().regions());
        if let Some(object) = self.objects.miscounted(regions) {
            problems.push(format!("memory object {object:?} miscounts its writable or executable mappings"));
        }
        self.check_threads(&mut problems);
        problems
    }

    /// Every frame is free, the kernel's, an object's, or a process's.
    fn check_frames(&self, problems: &mut Vec<String>) {
        let (free, total) = mm::frames::counts();
        let mut accounted = free + mm::frames::kernel_count();
        accounted += self.pci.held_frames();
        accounted += self.objects.iter().map(|(_, frames)| frames).sum::<u64>();
        for (_, process) in self.processes.iter() {
            let counted = process.space.count_frames();
            accounted += u64::from(counted);
            if counted > process.space.budget.used() {
                problems.push(format!(
                    "process {}: {counted} frames in page tables, {} charged",
                    process.name,
                    process.space.budget.used()
                ));
            }
            if !process.space.regions().is_consistent() {
                problems.push(format!("process {}: its regions are out of order", process.name));
            }
        }
        if accounted != total {
            problems.push(format!("{accounted} frames accounted for, {total} exist"));
        }
    }

    fn check_threads(&self, problems: &mut Vec<String>) {
        for (id, thread) in self.threads.iter() {
            let Some(process) = self.processes.get(thread.process) else {
                problems.push(format!("thread {id:?} has no process"));
                continue;
            };
            // Whoever takes a process down may be one of its own threads, and then goes last.
            let is_ending = process.end.is_some() && self.has_job(id);
            if !is_ending && !process.threads().any(|other| other == id) {
                problems.push(format!("thread {id:?} is not one of its process's"));
            }
            let waiting = matches!(thread.run_state, RunState::Waiting(_));
            if waiting && thread.wait_until_ns != NO_DEADLINE && thread.timer.is_none() {
                problems.push(format!("thread {id:?} waits for a time but has no timer"));
            }
        }
    }
}
