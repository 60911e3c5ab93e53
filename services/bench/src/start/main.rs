//! Measures what starting a WebAssembly instance costs the native process that asks for it: the call, validation of
//! the module, instantiation, and the reply. The instances run nothing.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../bench/counter.rs"]
mod counter;

use capos_schema::wasm_capnp::wasm_host;
use counter::Counter;

/// Modules of the manifest, and the names of what is measured with them.
const MODULES: [(&str, &str); 2] = [("empty", "wasm_start_empty"), ("wasi-hello-rust", "wasm_start_hello")];

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-start: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let counter = Counter::new().await?;
    let host: wasm_host::Client = capos_rt::grant("wasm-host").map_err(counter::failed)?;
    for (module, measured) in MODULES {
        counter
            .measure_async(measured, || async {
                let mut request = host.start_named_request();
                request.get().set_module(module);
                request.get().set_name("instance");
                // Dropping the last capability to an instance ends it, so that one lives at a time.
                request.send().promise.await?.get()?.get_instance().map(drop)
            })
            .await?;
    }
    Ok(())
}
