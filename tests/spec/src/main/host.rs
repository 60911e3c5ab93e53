//! With a compiler in this process.

use capos_codegen::{Settings, config};
use capos_spec::{Compile, Compiled};
use std::{process::exit, rc::Rc};
use wasmtime::Module;

pub(super) fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let filter = arguments.next().unwrap_or_default();
    let engine = match &*name {
        "interpreter" => None,
        "compiler" => Some(engine(false)),
        "portable" => Some(engine(true)),
        _ => {
            eprintln!("usage: spec interpreter|compiler|portable [PART OF A SCRIPT'S NAME]");
            exit(2);
        }
    };
    let engine = engine.map(|engine| match engine {
        Ok(engine) => engine,
        Err(error) => {
            eprintln!("spec: {error}");
            exit(1);
        }
    });
    exit(futures::executor::block_on(super::suite(&name, &filter, engine)));
}

fn engine(is_portable: bool) -> Result<(wasmtime::Engine, Compile), String> {
    let settings = config(Settings { counts_fuel: false, is_portable });
    let engine = Compiled::engine(settings.map_err(|error| format!("{error:#}"))?)?;
    let compile: Compile = Rc::new(|engine, bytes| {
        Box::pin(async move { Module::from_binary(engine, bytes).map_err(|error| format!("{error:#}")) })
    });
    Ok((engine, compile))
}
