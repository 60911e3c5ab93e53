//! Checks across fields: names that must be unique, references that must resolve, totals.

mod compiler;
mod grants;
mod limits;
mod storage;

use std::collections::HashMap;

use super::broken::Broken;
use super::candidates::{not_found, suggestion};
use super::model::launch::launch_bytes;
use super::model::*;
use crate::problem::Problem;

/// Maximum size of a process's arguments and environment together: they travel in one message.
const MOST_PROCESS_LAUNCH_BYTES: usize = 32 * 1024;
/// The same for an instance, whose host reads them in place.
const MOST_INSTANCE_LAUNCH_BYTES: usize = 4 << 20;
/// Maximum number of capabilities at a process's start: they travel with that message.
const MOST_GRANTS: usize = 48;

/// All problems across the parts of `manifest`. Parts that depend on `broken` ones are not checked.
pub fn check(manifest: &Manifest, broken: &Broken<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let may_start = broken.has("processes") || broken.has("wasm") || broken.has_unknown_field();
    if manifest.processes.is_empty() && !may_start {
        problems.push(Problem::new("", "nothing to start: neither processes nor wasm has an entry"));
    }
    let mut names = HashMap::new();
    for process in &manifest.processes {
        if let Some(first) = taken(&mut names, &process.name, &process.at) {
            let reason = format!("another process is called {:?} already", process.name);
            problems.push(Problem::new(format!("{}.name", process.at), reason).with_other(first));
        }
        let grants = given(process);
        if grants > MOST_GRANTS {
            let reason = format!("has {grants} grants and exports; at most {MOST_GRANTS} are possible");
            problems.push(Problem::new(process.at.clone(), reason));
        }
        limits::check(process, broken, &mut problems);
        grants::check(process, manifest, broken, &mut problems);
        check_flush(process, broken, &mut problems);
        let bytes = launch_bytes(&process.args, &process.env);
        check_launch(&process.at, bytes, MOST_PROCESS_LAUNCH_BYTES, &mut problems);
        if let Some(host) = &process.wasm_host {
            check_instances(process, host, broken, &mut problems);
        }
    }
    storage::check(manifest, broken, &mut problems);
    compiler::check(manifest, broken, &mut problems);
    check_exit_from(manifest, broken, &mut problems);
    check_program_names(manifest, &mut problems);
    problems
}

/// The number of capabilities with which the manifest starts a process.
fn given(process: &Process) -> usize {
    process.grants.iter().filter(|grant| grant.is_passed()).count() + process.exports.len()
}

/// The field `name` of the entry that already has this name. An entry with an unreadable name has none.
fn taken<'a>(names: &mut HashMap<&'a str, &'a str>, name: &'a str, at: &'a str) -> Option<String> {
    if name.is_empty() {
        return None;
    }
    let first = *names.entry(name).or_insert(at);
    (first != at).then(|| format!("{first}.name"))
}

/// Checks that the export that is called before the run ends is there.
fn check_flush(process: &Process, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    let Some(flush) = process.flush.as_ref().filter(|_| !broken.has(&format!("{}.exports", process.at)))
    else {
        return;
    };
    let exports = || process.exports.iter().map(|export| &export.name);
    if !exports().any(|export| *export == flush.export) {
        let there = suggestion(&flush.export, exports());
        let reason = format!("{:?} is no export of this process{there}", flush.export);
        problems.push(Problem::new(format!("{}.flush", process.at), reason));
    }
}

fn check_instances(process: &Process, host: &WasmHost, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    if host.instances.is_empty() && !host.exports && !broken.has(&process.at) {
        let reason = "has no instances and exports nothing, so it would do nothing";
        problems.push(Problem::new(process.at.clone(), reason));
    }
    let mut names = HashMap::new();
    for instance in &host.instances {
        if let Some(first) = taken(&mut names, &instance.name, &instance.at) {
            let reason =
                format!("another instance of {:?} already has the name {:?}", process.name, instance.name);
            problems.push(Problem::new(format!("{}.name", instance.at), reason).with_other(first));
        }
        let bytes = launch_bytes(instance.argv0.iter().chain(&instance.args), &instance.env);
        check_launch(&instance.at, bytes, MOST_INSTANCE_LAUNCH_BYTES, problems);
    }
}

fn check_launch(at: &str, bytes: usize, most: usize, problems: &mut Vec<Problem>) {
    if bytes > most {
        let reason = format!("args and env need {bytes} bytes; at most {most} are possible");
        problems.push(Problem::new(at, reason));
    }
}

fn check_exit_from(manifest: &Manifest, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    let Some(wanted) = &manifest.exit_from else { return };
    let mut there: Vec<String> = Vec::new();
    for process in &manifest.processes {
        there.push(process.name.clone());
        let instances = process.wasm_host.iter().flat_map(|host| &host.instances);
        there.extend(instances.map(|instance| format!("{}/{}", process.name, instance.name)));
    }
    if !there.contains(wanted) && !broken.has_process_name() && !broken.has_instance_name() {
        let reason = not_found("process or instance", wanted, &there);
        problems.push(Problem::new("exitFrom", reason));
    }
}

/// The package finds programs by name, so each name must denote one program.
fn check_program_names(manifest: &Manifest, problems: &mut Vec<Problem>) {
    let mut first: HashMap<&str, &Program> = HashMap::new();
    for program in manifest.programs().filter(|program| !program.name.is_empty()) {
        let known = *first.entry(&program.name).or_insert(program);
        if (known.kind, &known.file) != (program.kind, &program.file) {
            problems.push(same_name(program, known));
        }
    }
}

/// The error for two programs with the same name in the package.
fn same_name(program: &Program, known: &Program) -> Problem {
    let what = |program: &Program| match (&program.file, program.kind) {
        (Some(file), ProgramKind::Native) => format!("the native program {}", file.display()),
        (Some(file), ProgramKind::Module) => format!("the module {}", file.display()),
        (None, ProgramKind::Native) => "a native program of this tree".to_owned(),
        (None, ProgramKind::Module) => "a module of this tree".to_owned(),
    };
    let reason = format!(
        "two programs would have the name {:?} in the package; rename one of the files: this is {}, the other is {}",
        program.name,
        what(program),
        what(known)
    );
    let problem = Problem::new(program.at.clone(), reason);
    // The system's own programs are not in the manifest.
    if known.at.is_empty() { problem } else { problem.with_other(known.at.clone()) }
}
