//! Tests the file service's robustness: starts it over disks that misbehave, fail and vanish, and sends it messages
//! that no honest client sends. It must return the right error numbers, continue to serve other clients, never fault,
//! and lose no synced data. Prints a line for each passed part; a failure ends it with status 1.

mod devices;
mod disk;
mod files;
mod messages;
mod paths;
mod server;
mod stopped;

use std::process::ExitCode;

use capos_rt::block_on;

use server::Spawner;

fn main() -> ExitCode {
    match block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let spawner = Spawner::new().await?;
    devices::absurd(&spawner).await?;
    devices::failing(&spawner).await?;
    devices::rotten(&spawner).await?;
    devices::vanishing(&spawner).await?;
    stopped::stopped(&spawner).await?;
    paths::illegal(&spawner).await?;
    messages::foreign(&spawner).await?;
    messages::many(&spawner).await?;
    messages::random(&spawner).await
}

/// Compares.
fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> capnp::Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(capnp::Error::failed(format!("{what}: {found:?} instead of {wanted:?}")))
}
