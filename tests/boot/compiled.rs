//! Boots every manifest that only interprets once more, with generated code: the output is the same.

use std::fs;

use anyhow::{Context as _, Result};
use capos_tests::expectation::Expectation;
use capos_tests::{capos, tree};
use libtest_mimic::Trial;

use super::{lacking, trial};

pub(super) fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for name in tree::manifests()? {
        // Benchmarks of compiled code have manifests of their own.
        if name.starts_with("bench") || !only_interprets(&name)? {
            continue;
        }
        let expected = Expectation::read(&name).ok();
        let left_out = expected
            .is_some_and(|expected| expected.compiled.left_out.is_some() || lacking(&expected).is_some());
        let test = trial(format!("compiled-{name}"), move || {
            let manifest = tree::manifest(&name);
            let manifest = manifest.to_str().context("a path that is not UTF-8")?;
            capos::check(&format!("compiled-{name}"), &[manifest], &Expectation::read(&name)?.compiled())
        });
        trials.push(test.with_ignored_flag(left_out));
    }
    Ok(trials)
}

/// Whether a manifest has WebAssembly hosts, none of which says how it runs its instances.
fn only_interprets(name: &str) -> Result<bool> {
    let file = tree::manifest(name);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let starts = |field: &str| text.lines().any(|line| line.trim_start().starts_with(field));
    Ok(starts("wasm:") && !text.contains("engine:") && !starts("compiler:"))
}
