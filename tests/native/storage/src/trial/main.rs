//! Puts the file service on trial: starts it over disks that lie, fail and vanish, and sends it messages that no honest
//! client sends. It must answer with the right error numbers, go on serving whom it can, never fault, and lose nothing
//! that was synced. Prints a line for each part that was passed; what is not as it should be ends it with status 1.

mod devices;
mod disk;
mod files;
mod messages;
mod paths;
mod server;

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
