//! A WebAssembly host as a process: runs the instances that its manifest entry lists, logs how each ended, and
//! serves `WasmHost` when asked.
//!
//! It finds its entry in the boot package (grant "boot-package") by its own name, the first argument. Instances
//! are granted what their entries name of what it holds: the well-known grants that it has itself, and what was granted to
//! it for them. How they ended goes to "log".

mod entry;
mod grants;
mod named;
mod pipes;
mod report;
mod run;
mod stdio;

use capos_rt::block_on;

/// The exit status of a host that could not do its work.
const HOST_FAILED: i32 = 125;

fn main() {
    capos_wasm::set_push(capos_rt::push_calls);
    let status = block_on(async {
        match run::run().await {
            Ok(status) => status,
            Err(error) => {
                report::failed(&run::own_name(), &error).await;
                HOST_FAILED
            }
        }
    });
    std::process::exit(status);
}
