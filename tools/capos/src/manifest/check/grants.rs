//! Checks grants: the source exists and serves the interface that the holder expects, and the name is unique.

use std::collections::HashSet;

use capos_schema::grants::{UNKNOWN_INTERFACE, WellKnown};
use capos_schema::names;

use super::super::broken::Broken;
use super::super::candidates::{not_found, suggestion};
use super::super::model::*;
use crate::problem::Problem;

pub(super) fn check(
    process: &Process,
    manifest: &Manifest,
    broken: &Broken<'_>,
    problems: &mut Vec<Problem>,
) {
    check_exports(process, problems);
    for grant in process.written_grants() {
        let mut problem = |reason: String| problems.push(Problem::new(grant.at.clone(), reason));
        if process.exports.iter().any(|export| export.name == grant.name) && process.wasm_host.is_none() {
            problem(format!("{:?} is also an export of this process", grant.name));
        }
        if process.wasm_host.is_some() && !grant.is_passed() {
            problem("an instance cannot drive a disk; remove `driver`".to_owned());
        }
        if let Some(reason) = misfit(grant, manifest) {
            problem(reason);
        }
        if let Source::Export(from) = &grant.source {
            check_export(grant, from, manifest, broken, problems);
        }
    }
}

fn check_exports(process: &Process, problems: &mut Vec<Problem>) {
    let mut exports = HashSet::new();
    for (index, export) in process.exports.iter().map(|export| &export.name).enumerate() {
        let at = format!("{}.exports.{index}", process.at);
        if !exports.insert(export) {
            problems.push(Problem::new(at, format!("{export:?} is exported twice")));
        } else if WellKnown::with_name(export).is_some() {
            problems.push(Problem::new(at, format!("{export:?} is the name of a grant")));
        }
    }
}

/// The reason why the holder of a well-known name would not accept the grant.
fn misfit(grant: &Grant, manifest: &Manifest) -> Option<String> {
    let known = WellKnown::with_name(&grant.name)?;
    let found = manifest.interface_behind(&grant.source);
    let differs = found != UNKNOWN_INTERFACE && found != known.interface_id;
    differs.then(|| {
        format!(
            "holders of {:?} expect the interface {:#x}, but this source serves {found:#x}; choose another name",
            grant.name, known.interface_id
        )
    })
}

fn check_export(
    grant: &Grant,
    from: &ExportRef,
    manifest: &Manifest,
    broken: &Broken<'_>,
    problems: &mut Vec<Problem>,
) {
    let mut problem = |reason: String| problems.push(Problem::new(grant.at.clone(), reason));
    match manifest.processes.iter().find(|other| other.name == from.process) {
        None if from.process.is_empty() || broken.has_process_name() => {}
        None => {
            let there = manifest.processes.iter().map(|process| &process.name);
            problem(not_found("process", &from.process, there));
        }
        Some(other) if from.export.is_empty() || broken.has(&format!("{}.exports", other.at)) => {}
        Some(other) if manifest.export(from).is_none() => {
            if other.wasm_host.is_some() && from.export == names::WASM_HOST_EXPORT {
                let reason = "serves no instances of others: set `exports: true` in its entry";
                return problem(format!("the WebAssembly host {:?} {reason}", other.name));
            }
            let there = suggestion(&from.export, other.exports.iter().map(|export| &export.name));
            problem(format!("process {:?} does not export {:?}{there}", other.name, from.export));
        }
        Some(_) => {}
    }
}
