//! Measures operations and prints one `name value unit` per line.
//!
//! Meant to run under QEMU's `-icount shift=0`, where the time-stamp counter counts instructions.

mod alarms;
mod calls;
mod counter;
mod processes;
mod reservations;
mod threads;

use capos_schema::diagnostics_capnp::diagnostics;
use counter::Counter;

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let counter = Counter::new().await?;
    boot().await?;
    calls::kernel(&counter).await?;
    calls::raw(&counter)?;
    calls::generated(&counter).await?;
    threads::all(&counter);
    alarms::all(&counter).await?;
    processes::all(&counter).await?;
    reservations::all(&counter)
}

/// From kernel entry to the first user instruction.
async fn boot() -> capnp::Result<()> {
    let diagnostics: diagnostics::Client =
        capos_rt::grant(capos_schema::grants::DIAGNOSTICS).map_err(counter::failed)?;
    let response = diagnostics.counters_request().send().promise.await?;
    let counters = response.get()?;
    let instructions = counters.get_first_user_tsc() - counters.get_kernel_entry_tsc();
    counter::report("boot_to_first_user_instruction", instructions);
    Ok(())
}
