//! A WebAssembly host process: runs the instances in its manifest entry, logs how each ended, and
//! serves `WasmHost` on request.
//!
//! It finds its entry in the boot package (grant "boot-package") by its own name, the first argument. Instances
//! receive the grants that their entries list: well-known grants of the host, and capabilities granted to
//! it for them. How they ended is written to "log".

mod directories;
mod entry;
mod grants;
mod named;
mod pipes;
mod report;
mod run;
mod stdio;

use capos_rt::block_on;
use capos_wasm::EngineKind;

/// The exit status of a host that failed itself.
const HOST_FAILED: i32 = 125;

/// Runs the host, with an engine for generated code if there is one, and ends the process.
/// It is told the process's limit of memory.
pub fn run(compiled: impl AsyncFnOnce(u64) -> capnp::Result<Option<EngineKind>>) -> ! {
    capos_wasm::set_push(capos_rt::push_calls);
    // Instances have their turns between the parts.
    capos_rt::free_in_parts();
    let status = block_on(async {
        match run::run(compiled).await {
            Ok(status) => status,
            Err(error) => {
                report::failed(&run::own_name(), &error).await;
                HOST_FAILED
            }
        }
    });
    std::process::exit(status);
}
