//! A service that `make new-service` began, in a copy of the tree: it builds and boots as it is, and is granted to processes and
//! instances without a change of anything else.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::command::{self, Input};
use capos_tests::expectation::Expectation;
use capos_tests::{capos, tree};
use libtest_mimic::Trial;

use crate::trial;

const NAME: &str = "scratch-keys";
/// Compiling a few crates, on a busy machine.
const BUILD: Duration = Duration::from_secs(900);

/// The parts of the tree that a copy has no use for: it shares what was built. Cargo's settings apply to folders within.
const LEFT_OUT: [&str; 4] = [".cargo", ".git", "build", "target"];

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial("new-service".to_owned(), builds_and_boots)]
}

fn builds_and_boots() -> Result<()> {
    let scratch = tree::root().join("build/scratch");
    copy_tree(&scratch)?;

    let make = |arguments: &[&str]| {
        let mut make = capos::make();
        make.arg("-C").arg(&scratch).args(arguments);
        make.arg(format!("CARGO_TARGET_DIR={}", tree::root().join("target").display()));
        run(&mut make)
    };
    make(&["new-service", &format!("NAME={NAME}")])?;
    // Its own programs alone, so that no other program of the tree is replaced by the copy's.
    make(&["userspace", &format!("NEEDS=native {NAME}-server native {NAME}-client")])?;

    let read = |path: String| fs::read_to_string(scratch.join(&path)).context(path);
    ensure!(
        read(format!("tests/expected/{NAME}.toml"))? == read("tests/expected/template.toml".to_owned())?,
        "the new service is expected to show something else than the template"
    );
    let manifest = scratch.join("manifests").join(NAME).with_extension("cue");
    let place = |path: &Path| path.to_str().map(str::to_owned).context("a path that is not UTF-8");
    capos::check(
        "new-service",
        &["--root", &place(&scratch)?, &place(&manifest)?],
        &Expectation::read("template")?,
    )?;

    let files = tree::root().join("tests/files/foreign");
    let holder = format!("services/{NAME}/src/bin/{NAME}-holder.rs");
    fs::copy(files.join("holder.rs"), scratch.join(&holder)).context(holder)?;
    make(&["userspace", &format!("NEEDS=native {NAME}-holder")])?;
    for name in ["process", "instance"] {
        capos::check(
            &format!("foreign-{name}"),
            &["--root", &place(&scratch)?, &place(&files.join(name).with_extension("cue"))?],
            &Expectation::read_file(&files.join(name).with_extension("toml"))?,
        )?;
    }
    Ok(())
}

/// Copies the tree's sources; files that have not changed keep their times, so that Cargo builds only once.
fn copy_tree(scratch: &Path) -> Result<()> {
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    fs::create_dir_all(scratch)?;
    for entry in tree::root().read_dir()? {
        let entry = entry?;
        if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
            run(Command::new("cp").arg("-a").arg(entry.path()).arg(scratch))?;
        }
    }
    for shared in ["build", "target"] {
        symlink(tree::root().join(shared), scratch.join(shared))?;
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let outcome = command::run(command, Input::Bytes(b""), BUILD)?;
    ensure!(
        outcome.status == Some(0),
        "{command:?}: status {:?}\n{}",
        outcome.status,
        String::from_utf8_lossy(&outcome.stderr)
    );
    Ok(())
}
