//! Limits with which a process could never start.

use capos_volume_tool::show_size;

use super::given;
use crate::manifest::broken::Broken;
use crate::manifest::model::Process;
use crate::problem::Problem;

/// The capabilities that every process has of its own.
const OWN_CAPABILITIES: usize = 3;
/// The page tables, stack and launch parameters of the smallest program.
const LEAST_MEMORY: u64 = 64 << 10;
/// Enough for a small native program, and for a WebAssembly host to say what it lacks.
const ENOUGH_MEMORY: u64 = 2 << 20;
/// Enough for what a process makes when it starts, beside what it is given.
const MORE_SLOTS: usize = 60;

/// Adds a problem for each limit of `process` that is too small for any start.
pub(super) fn check(process: &Process, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    let at = |field: &str| format!("{}.limits.{field}", process.at);
    if let Some(bytes) = process.limits.memory_bytes.filter(|bytes| *bytes < LEAST_MEMORY) {
        let reason = format!(
            "a process needs {} of memory or more to start, and its limit is {}; `limits: memory: \"{}\"` is enough for a small program",
            show_size(LEAST_MEMORY),
            show_size(bytes),
            show_size(ENOUGH_MEMORY)
        );
        problems.push(Problem::new(at("memory"), reason));
    }
    let given = given(process);
    let needed = given + OWN_CAPABILITIES;
    let slots = process.limits.capability_slots.filter(|slots| (*slots as usize) < needed);
    // What could not be read of the grants is none.
    if let Some(slots) = slots.filter(|_| !broken.has(&format!("{}.grants", process.at))) {
        let reason = format!(
            "the process starts with {needed} capabilities, {given} that it is given and {OWN_CAPABILITIES} of its own, and its \
             limit is {slots}; `limits: capabilitySlots: {}` is enough",
            needed + MORE_SLOTS
        );
        problems.push(Problem::new(at("capabilitySlots"), reason));
    }
}
