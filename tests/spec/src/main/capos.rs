//! On capOS, with the compiler service.

use super::Engines;
use capos_codegen::{Settings, config};
use capos_rt::block_on;
use capos_spec::{Compile, Compiled};
use std::{process::exit, rc::Rc};

/// The pool has a place for each 32 KiB of it; no script has as many instances.
const MEMORY_BYTES: u64 = 64 << 20;
const SETTINGS: Settings = Settings { counts_fuel: false, is_portable: false };

pub(super) fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let filter = arguments.next().unwrap_or_default();
    let status = block_on(async {
        let engines = match &*name {
            "interpreter" => None,
            "compiler" => Some(engines().await?),
            other => return Err(format!("no engine is called {other:?}")),
        };
        Ok(super::suite(&name, &filter, engines).await)
    });
    exit(status.unwrap_or_else(|error| {
        println!("{error}");
        1
    }));
}

async fn engines() -> Result<Engines, String> {
    let machine = capos_wasm_compiled::machine(MEMORY_BYTES).await.map_err(|error| error.extra)?;
    let machine = machine.ok_or("no compiler is granted")?;
    let engine = |is_pooled| {
        let mut settings = config(SETTINGS).map_err(|error| format!("{error:#}"))?;
        machine.configure(&mut settings, is_pooled);
        Compiled::engine(settings)
    };
    let (pooled, unpooled) = (engine(true)?, engine(false)?);
    let compile: Compile = Rc::new(move |engine, bytes| {
        let machine = machine.clone();
        Box::pin(async move { machine.module(engine, bytes, SETTINGS).await })
    });
    Ok(Engines { pooled, unpooled, compile })
}
