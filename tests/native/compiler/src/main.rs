//! Uses the compiler service, and misuses it. Prints a line for each passed part; a failure ends it with status 1.
//!
//! ```text
//! compiler-trial PART...
//! ```

mod asking;
mod modules;
mod part;

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
    for name in std::env::args().skip(1) {
        let found = match name.as_str() {
            "first" => part::first(&asking).await?,
            other => return Err(capnp::Error::failed(format!("no part is called {other:?}"))),
        };
        println!("{name}: {found}");
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
