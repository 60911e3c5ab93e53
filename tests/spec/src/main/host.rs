//! With a compiler in this process.

use super::Engines;
use capos_codegen::{Settings, config};
use capos_spec::{Compile, Compiled};
use std::{process::exit, rc::Rc};
use wasmtime::Module;

pub(super) fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let filter = arguments.next().unwrap_or_default();
    let engines = match &*name {
        "interpreter" => None,
        "compiler" => Some(engines(false)),
        "portable" => Some(engines(true)),
        _ => {
            eprintln!("usage: spec interpreter|compiler|portable [PART OF A SCRIPT'S NAME]");
            exit(2);
        }
    };
    let engines = engines.map(|engines| match engines {
        Ok(engines) => engines,
        Err(error) => {
            eprintln!("spec: {error}");
            exit(1);
        }
    });
    exit(futures::executor::block_on(super::suite(&name, &filter, engines)));
}

fn engines(is_portable: bool) -> Result<Engines, String> {
    let settings = config(Settings { counts_fuel: false, is_portable });
    let unpooled = Compiled::engine(settings.map_err(|error| format!("{error:#}"))?)?;
    let compile: Compile = Rc::new(|engine, bytes| {
        Box::pin(async move { Module::from_binary(engine, bytes).map_err(|error| format!("{error:#}")) })
    });
    // No places here.
    Ok(Engines { pooled: unpooled.clone(), unpooled, compile })
}
