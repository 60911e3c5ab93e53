//! The compiler service, as the exports "compiler" and "compiler-status".
//!
//! ```text
//! compiler [NAME=VALUE...] [verbose]     see `Options`
//! ```
//!
//! It holds no compiler: it starts one process of the program `compiler-worker` for each module. Grants:
//! "process-spawner", "boot-package", "code-factory", "entropy", "timer"; "log" for its messages; "cache" (a `Namespace`)
//! for its cache, and "key" (another one) for the cache's key.

use std::process::ExitCode;
use std::rc::Rc;

use capnp::{Error, Result};
use capos_compiler::{Cache, Counters, Directories, Launcher, Names, Options, Root, Service, Status};
use capos_schema::compiler_capnp::{compiler_service, compiler_status};
use capos_schema::entropy_capnp::entropy_source;
use capos_schema::names;

async fn run() -> Result<()> {
    let options = Options::parse(std::env::args().skip(1)).map_err(Error::failed)?;
    let counters = Rc::new(Counters::default());
    let launcher = Launcher::from_grants().await?;
    let random = random().await?;
    let cache = match Directories::from_grants() {
        Some(directories) => Cache::open(directories, &options, random, counters.clone()).await,
        None => None,
    };
    // Without a cache, names need not outlive the process.
    let names = cache.as_ref().map_or(random, Cache::names_key);
    let names = Names::new(names, &options.revision);
    let service = Service::new(options, names, launcher, cache, counters);
    let root: compiler_service::Client = capos_rt::serve(Root(service.clone()));
    capos_rt::serve_export(names::COMPILER_EXPORT, root)?;
    let status: compiler_status::Client = capos_rt::serve(Status(service));
    capos_rt::serve_export(names::COMPILER_STATUS_EXPORT, status)?;
    std::future::pending().await
}

/// 32 random bytes.
async fn random() -> Result<[u8; 32]> {
    let source: entropy_source::Client = capos_rt::grant(capos_schema::grants::ENTROPY)?;
    let mut request = source.fill_request();
    request.get().set_length(32);
    let response = request.send().promise.await?;
    let bytes = response.get()?.get_bytes()?.try_into();
    bytes.map_err(|_| Error::failed("the entropy source gave another number of bytes".into()))
}

fn main() -> ExitCode {
    match capos_rt::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compiler: {}", error.extra);
            ExitCode::FAILURE
        }
    }
}
