//! A WebAssembly host process that interprets.

fn main() {
    capos_wasm_process::run(async |_| Ok(None));
}
