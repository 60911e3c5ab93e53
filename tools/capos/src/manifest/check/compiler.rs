//! Checks the compiler service, and that engines have what they need.

use super::super::broken::Broken;
use super::super::candidates::not_found;
use super::super::model::*;
use crate::problem::Problem;

pub(super) fn check(manifest: &Manifest, broken: &Broken<'_>, problems: &mut Vec<Problem>) {
    if let Some(compiler) = &manifest.compiler {
        check_directories(compiler, manifest, broken, problems);
    }
    let has_none = manifest.compiler.is_none() && !broken.has("compiler");
    for process in &manifest.processes {
        for (at, engine) in process.engines() {
            if engine != Engine::Compiler {
                continue;
            }
            let mut problem = |reason: &str| problems.push(Problem::new(format!("{at}.engine"), reason));
            if has_none {
                problem("there is no compiler: `compiler` is `false`; \"auto\" interprets without one");
            }
            if !process.executable && !broken.has(&format!("{}.executable", process.at)) {
                problem("its host runs no code: `executable` is `false`; \"auto\" interprets then");
            }
        }
        for grant in process.written_grants() {
            if has_none && matches!(grant.source, Source::Compiler(_)) {
                problems.push(Problem::new(grant.at.clone(), "there is no compiler: `compiler` is `false`"));
            }
        }
    }
}

fn check_directories(
    compiler: &Compiler,
    manifest: &Manifest,
    broken: &Broken<'_>,
    problems: &mut Vec<Problem>,
) {
    for directory in compiler.cache.iter().chain(&compiler.key) {
        let mut problem = |field: &str, reason: String| {
            problems.push(Problem::new(format!("{}.{field}", directory.at), reason))
        };
        let volume = manifest.volumes.iter().find(|volume| volume.name == directory.volume);
        let is_unread = directory.volume.is_empty() || broken.has(&format!("volumes.{}", directory.volume));
        match volume {
            None if is_unread => {}
            None => {
                let there = manifest.volumes.iter().map(|volume| &volume.name);
                problem("volume", not_found("volume", &directory.volume, there));
            }
            Some(volume) if volume.is_read_only() => {
                problem("volume", format!("the volume {:?} cannot be changed", volume.name));
            }
            Some(_) => {}
        }
        if directory.access != Access::ReadWrite && !broken.is_at(&format!("{}.rights", directory.at)) {
            problem("rights", "the compiler writes to it: `rights: \"rw\"`".to_owned());
        }
    }
    if let (None, Some(key)) = (&compiler.cache, &compiler.key) {
        problems.push(Problem::new(key.at.clone(), "the key of a cache, and there is no `cache`"));
    }
}
