//! `capos-adapt RUBY.wasm FIRST.rb PROGRAM.wasm`: adds a start function to a Ruby build for JavaScript, which initialises
//! it and evaluates FIRST.rb. The module's existing items are unchanged.

mod module;
mod start;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [ruby, first, program] = arguments.as_slice() else {
        bail!("usage: capos-adapt RUBY.wasm FIRST.rb PROGRAM.wasm")
    };
    let shown = |path| Path::new(path).display().to_string();
    let module = fs::read(ruby).with_context(|| shown(ruby))?;
    let text = fs::read_to_string(first).with_context(|| shown(first))?;
    let made = start::add(&module, &text).with_context(|| shown(ruby))?;
    fs::write(program, made).with_context(|| shown(program))
}
