//! `capos-assemble IN.wat OUT.wasm`: assembles WebAssembly text into a module.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [text, module] = arguments.as_slice() else { bail!("usage: capos-assemble IN.wat OUT.wasm") };
    let bytes = wat::parse_file(text)?;
    std::fs::write(module, bytes).with_context(|| Path::new(module).display().to_string())
}
