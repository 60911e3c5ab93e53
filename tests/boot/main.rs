//! Boots every manifest, and some of them in other ways, each as a separate test.

mod busy_host;
mod compiled;
mod front_door;
mod iso;
mod killed;
mod new_service;
mod own_folder;
mod own_program;
mod slowest;
mod streams;
mod unfit;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use capos_tests::expectation::Expectation;
use capos_tests::{capos, tree};
use libtest_mimic::{Arguments, Failed, Trial};

/// A test whose failure shows the whole error chain.
fn trial(name: String, test: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    Trial::test(name.clone(), move || {
        slowest::timed(name, test).map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// A file that a test needs and that could not be built here.
fn lacking(expected: &Expectation) -> Option<String> {
    expected.needs.iter().find(|file| !tree::root().join(file).exists()).cloned()
}

fn trials() -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for name in tree::manifests()? {
        let lacking = Expectation::read(&name).ok().and_then(|expected| lacking(&expected));
        if let Some(file) = &lacking {
            eprintln!("run-{name}: LEFT OUT, for there is no {file} here");
        }
        let test = trial(format!("run-{name}"), move || {
            let expected = Expectation::read(&name)?;
            let manifest = tree::manifest(&name);
            let manifest = manifest.to_str().context("a path that is not UTF-8")?;
            capos::check(&name, &[manifest], &expected)
        });
        trials.push(test.with_ignored_flag(lacking.is_some()));
    }
    trials.extend(compiled::trials()?);
    trials.extend(busy_host::trials());
    trials.extend(front_door::trials());
    trials.extend(iso::trials());
    trials.extend(killed::trials());
    trials.extend(new_service::trials());
    trials.extend(own_program::trials());
    trials.extend(streams::trials());
    trials.extend(unfit::trials());
    trials.extend(own_folder::trials());
    Ok(trials)
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    match trials() {
        Ok(trials) => {
            let conclusion = libtest_mimic::run(&arguments, trials);
            slowest::show();
            conclusion.exit_code()
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
