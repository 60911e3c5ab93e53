//! Third-party programs, run as a user runs them: `capos run PROGRAM.wasm` with exactly the grants they need.

mod scripts;
mod sqlite;

use std::process::ExitCode;

use anyhow::Result;
use capos_tests::tree;
use libtest_mimic::{Arguments, Failed, Trial};

/// Options of `capos run` for the engine.
const INTERPRETED: &str = "--engine=interpreter";
const COMPILED: &str = "--engine=compiler";

/// A test of the program with this name, skipped if the program could be neither fetched nor built.
fn trial(test: &str, program: &str, run: impl FnOnce() -> Result<()> + Send + 'static) -> Trial {
    let missing = !tree::root().join(module(program)).exists();
    if missing {
        eprintln!("{test}: LEFT OUT, for there is no {} here", module(program));
    }
    let trial = Trial::test(test, move || run().map_err(|error| Failed::from(format!("{error:#}"))));
    trial.with_ignored_flag(missing)
}

/// A test that takes long, which only runs if it is asked for by its name.
fn long(trial: Trial) -> Trial {
    let name = trial.name().to_owned();
    let is_wanted = Arguments::from_args().filter.is_some_and(|filter| name.contains(&filter));
    if !is_wanted {
        eprintln!("{name}: LEFT OUT, for it takes long; `make test-programs TESTS={name}` runs it");
    }
    let is_left_out = trial.has_ignored_flag() || !is_wanted;
    trial.with_ignored_flag(is_left_out)
}

/// The path of the program with this name, as installed by `scripts/programs.sh`.
fn module(program: &str) -> String {
    format!("build/programs/{program}.wasm")
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They are large, and a machine under emulation uses a whole processor.
    arguments.test_threads.get_or_insert(2);
    libtest_mimic::run(&arguments, scripts::trials().into_iter().chain(sqlite::trials()).collect())
        .exit_code()
}
