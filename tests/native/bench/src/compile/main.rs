//! Measures what it costs to have a module of the boot package compiled, and to get its code again from the cache: from the
//! request to the sealed object, all processes together, without the time in which none of them runs. The arguments are names of
//! modules; a hyphen becomes an underscore.

#[expect(dead_code, reason = "the other benchmark uses the rest")]
#[path = "../bench/counter.rs"]
mod counter;

use capos_package::{Package, binary};
use capos_rt::{grant, object_with};
use capos_schema::compiler_capnp::{compiler, compiler_status};
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::memory_capnp::memory_object;
use counter::{Counter, failed, report};

/// Number of polls whether the service has dropped code.
const TRIES: u32 = 1000;

fn main() -> std::process::ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-compile: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> capnp::Result<()> {
    let counter = Counter::new().await?;
    let service = Service {
        compiler: grant("compiler").map_err(failed)?,
        status: grant("compiler-status").map_err(failed)?,
    };
    let package = Package::map(grant(capos_schema::grants::BOOT_PACKAGE).map_err(failed)?).await?;
    let message = package.message()?;
    for name in std::env::args().skip(1) {
        let module = binary(message.get_root()?, &name)?;
        let (object, length) = (object_with(module).await?, module.len() as u64);
        let name = name.replace('-', "_");
        for (what, is_from_cache) in [("compile", false), ("cached", true)] {
            let before = service.answered_from_cache().await?;
            let begun = worked(&counter).await?;
            service.code(object.clone(), length).await?;
            report(&format!("{what}_{name}"), worked(&counter).await? - begun);
            service.dropped().await?;
            if (service.answered_from_cache().await? > before) != is_from_cache {
                return Err(failed(format!("{what} {name}: the code came from the wrong place")));
            }
        }
    }
    Ok(())
}

/// The counter's value, without its advance while nothing ran.
async fn worked(counter: &Counter) -> capnp::Result<u64> {
    let diagnostics: diagnostics::Client = grant(capos_schema::grants::DIAGNOSTICS).map_err(failed)?;
    let response = diagnostics.counters_request().send().promise.await?;
    Ok(counter.read() - response.get()?.get_idle_tsc())
}

struct Service {
    compiler: compiler::Client,
    status: compiler_status::Client,
}

impl Service {
    /// Requests code, waits for it, and gives it up.
    async fn code(&self, module: memory_object::Client, length: u64) -> capnp::Result<()> {
        let mut request = self.compiler.compile_request();
        request.get().set_module(module);
        request.get().set_length(length);
        let compilation = request.send().promise.await?.get()?.get_compilation()?;
        compilation.code_request().send().promise.await?.get()?.get_lease().map(drop)
    }

    /// Number of requests answered from the cache.
    async fn answered_from_cache(&self) -> capnp::Result<u64> {
        let response = self.status.counters_request().send().promise.await?;
        Ok(response.get()?.get_counters()?.get_from_cache())
    }

    /// Waits until the service holds no code, all of which is in the cache then.
    async fn dropped(&self) -> capnp::Result<()> {
        for _ in 0..TRIES {
            let response = self.status.counters_request().send().promise.await?;
            let counters = response.get()?.get_counters()?;
            if counters.get_code_bytes() == 0 && counters.get_cache_entries() != 0 {
                return Ok(());
            }
        }
        Err(failed("the service did not drop its code"))
    }
}
