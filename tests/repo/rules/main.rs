//! The repository rules. Each test lists all violations of its rule, with their places.

mod circles;
mod code;
mod coverage;
mod documents;
mod layers;
mod memory;
mod names;
mod new_service;
mod no_manifest;
mod patches;
mod quotes;
mod setup;
mod some_tests;
mod walls;
mod workspace;

/// Fails with all `problems`, if there are any.
#[track_caller]
fn none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
