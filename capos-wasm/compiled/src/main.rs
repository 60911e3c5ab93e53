//! A WebAssembly host process whose instances can run code that the compiler service generated.
//!
//! It is the process of `capos-wasm/process` with a second engine: wasmtime's runtime, which this crate gives a platform. Code
//! arrives as sealed memory objects; there is no compiler in this program, and it may create no code.

#[cfg(target_os = "hermit")]
mod code;
#[cfg(target_os = "hermit")]
mod faults;
#[cfg(target_os = "hermit")]
mod image;
#[cfg(target_os = "hermit")]
mod interruption;
#[cfg(target_os = "hermit")]
mod machine;
#[cfg(target_os = "hermit")]
mod memory;
#[cfg(target_os = "hermit")]
mod pool;
#[cfg(target_os = "hermit")]
mod stacks;
#[cfg(target_os = "hermit")]
mod thread;

#[cfg(target_os = "hermit")]
fn main() {
    capos_wasm_process::run(async |memory_bytes| match machine::compiler(memory_bytes) {
        Some(engine) => faults::install().await.map(|()| Some(engine)),
        None => Ok(None),
    });
}

#[cfg(not(target_os = "hermit"))]
fn main() {
    eprintln!("capos-wasm-compiled runs on capOS only");
    std::process::exit(1);
}
