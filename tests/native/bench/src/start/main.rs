//! Measures the cost of WebAssembly instances for the native process that starts them: starting one (the call,
//! instantiation of a known module, and the reply), running a thousand to their ends, and the memory of each of a
//! thousand waiting ones.
//!
//! An argument is put before the names of the figures.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../bench/counter.rs"]
mod counter;
mod crowd;

use capos_schema::wasm_capnp::{wasm_host, wasm_instance};
use counter::Counter;

/// Modules of the manifest, and the names of their measurements.
const MODULES: [(&str, &str); 2] = [("empty", "wasm_start_empty"), (HELLO, "wasm_start_hello")];
const HELLO: &str = "wasi-hello-rust";

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-start: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Whether an instance starts to run by itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Begin {
    Waiting,
    Running,
}

/// Starts an instance without grants. Dropping the result ends it.
async fn start(host: &wasm_host::Client, module: &str, begin: Begin) -> capnp::Result<wasm_instance::Client> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named(module);
    spec.set_name("instance");
    spec.set_run(begin == Begin::Running);
    request.send().promise.await?.get()?.get_instance()
}

async fn run() -> capnp::Result<()> {
    let counter = Counter::new().await?;
    let host: wasm_host::Client =
        capos_rt::grant(capos_schema::names::WASM_HOST_EXPORT).map_err(counter::failed)?;
    let prefix = std::env::args().nth(1).unwrap_or_default();
    for (module, measured) in MODULES {
        counter
            .measure_async(&format!("{prefix}{measured}"), || async {
                start(&host, module, Begin::Waiting).await.map(drop)
            })
            .await?;
    }
    crowd::run(&counter, &host, &prefix).await
}
