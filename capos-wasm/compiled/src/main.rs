//! A WebAssembly host process whose instances can run code that the compiler service generated.
//!
//! It is the process of `capos-wasm/process` with a second engine.

#[cfg(target_os = "hermit")]
fn main() {
    use capos_wasm::EngineKind::Wasmtime;
    capos_wasm_process::run(async |memory_bytes| {
        Ok(capos_wasm_compiled::machine(memory_bytes).await?.map(Wasmtime))
    });
}

#[cfg(not(target_os = "hermit"))]
fn main() {
    eprintln!("capos-wasm-compiled runs on capOS only");
    std::process::exit(1);
}
