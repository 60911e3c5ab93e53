//! Uses the compiler service, and misuses it. Prints a line for each passed part; a failure ends it with status 1.
//!
//! ```text
//! compiler-trial PART...
//! ```

mod asking;
mod cached;
mod hostile;
mod hosts;
mod limits;
mod modules;
mod ordinary;
mod released;

use std::process::ExitCode;

use capos_rt::block_on;

use asking::Asking;

fn main() -> ExitCode {
    match block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{}", error.extra);
            ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let asking = Asking::new().await?;
    for part in std::env::args().skip(1) {
        match part.as_str() {
            "ordinary" => ordinary::run(&asking).await?,
            "hostile" => hostile::run(&asking).await?,
            "hosts" => hosts::run(&asking).await?,
            "limits" => limits::run(&asking).await?,
            "copies" => limits::copies(&asking).await?,
            "released" => released::run(&asking).await?,
            "leave" => released::leave(&asking).await?,
            "left" => released::left(&asking).await?,
            "cached" => cached::run(&asking).await?,
            other => return Err(capnp::Error::failed(format!("no part is called {other:?}"))),
        }
    }
    Ok(())
}

/// Compares.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> capnp::Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(capnp::Error::failed(format!("{what}: {found:?} instead of {wanted:?}")))
}

/// The reason of a failure that must have happened.
fn reason<T>(what: &str, outcome: capnp::Result<T>) -> capnp::Result<String> {
    match outcome {
        Ok(_) => Err(capnp::Error::failed(format!("{what}: succeeded"))),
        Err(error) => Ok(error.extra),
    }
}

/// Requires a reason to contain some words.
fn expect_reason<T>(what: &str, outcome: capnp::Result<T>, words: &str) -> capnp::Result<()> {
    let reason = reason(what, outcome)?;
    if reason.contains(words) {
        return Ok(());
    }
    Err(capnp::Error::failed(format!("{what}: failed because {reason:?}, not because {words:?}")))
}
