//! Checks for limits too small for any start.

use capos_volume_tool::show_size;

use super::given;
use crate::manifest::broken::Broken;
use crate::manifest::model::Process;
use crate::problem::Problem;

/// Number of capabilities that every process has in addition to its grants.
const OWN_CAPABILITIES: usize = 3;
/// Minimum memory of a process: page tables, stack, launch parameters and heap of the smallest program.
const LEAST_MEMORY: u64 = 80 << 10;
/// Minimum memory of a WebAssembly host with the smallest module.
const LEAST_HOST_MEMORY: u64 = 400 << 10;
/// Enough for a small native program, and for a WebAssembly host to report what it lacks.
const ENOUGH_MEMORY: u64 = 2 << 20;
/// Enough for the capabilities that a process creates when it starts.
const MORE_SLOTS: usize = 60;

/// Adds a problem for each limit of `process` that is too small for any start.
pub(super) fn check(process: &Process, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    let at = |field: &str| format!("{}.limits.{field}", process.at);
    let (what, least) = match process.wasm_host {
        Some(_) => ("WebAssembly host", LEAST_HOST_MEMORY),
        None => ("process", LEAST_MEMORY),
    };
    if let Some(bytes) = process.limits.memory_bytes.filter(|bytes| *bytes < least) {
        let reason = format!(
            "a {what} needs at least {} of memory to start, but its limit is {}; `limits: memory: \"{}\"` is enough for a small program",
            show_size(least),
            show_size(bytes),
            show_size(ENOUGH_MEMORY)
        );
        problems.push(Problem::new(at("memory"), reason));
    }
    let given = given(process);
    let needed = given + OWN_CAPABILITIES;
    let slots = process.limits.capability_slots.filter(|slots| (*slots as usize) < needed);
    // Unreadable grants are not counted.
    if let Some(slots) = slots.filter(|_| !broken.has(&format!("{}.grants", process.at))) {
        let reason = format!(
            "the process starts with {needed} capabilities, {given} grants and {OWN_CAPABILITIES} of its own, but its \
             limit is {slots}; `limits: capabilitySlots: {}` is enough",
            needed + MORE_SLOTS
        );
        problems.push(Problem::new(at("capabilitySlots"), reason));
    }
}
