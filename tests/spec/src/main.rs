//! Runs the suite: `spec interpreter|compiler [PART OF A SCRIPT'S NAME]`.
//!
//! On capOS, code comes from the compiler service; elsewhere, for development, from a compiler in this process.

#[cfg(target_os = "hermit")]
#[path = "main/capos.rs"]
mod system;
#[cfg(not(target_os = "hermit"))]
#[path = "main/host.rs"]
mod system;

use capos_spec::{
    Compile, Compiled, Interpreted, Report,
    exceptions::{EXCEPTIONS, Kind},
    run, scripts,
};

fn main() {
    system::main();
}

/// Engines for generated code.
struct Engines {
    /// With places that are reserved for instances.
    pooled: wasmtime::Engine,
    /// Without.
    unpooled: wasmtime::Engine,
    compile: Compile,
}

/// Runs the scripts, tells of each failure and the sum, and returns the exit status.
async fn suite(name: &str, filter: &str, engines: Option<Engines>) -> i32 {
    let kind = if engines.is_some() { Kind::Compiled } else { Kind::Interpreted };
    let mut report = Report::new(kind);
    for script in scripts(kind).iter().filter(|script| script.name.contains(filter)) {
        let outcome = match &engines {
            Some(Engines { pooled, unpooled, compile }) => {
                let engine = if script.has_large_tables { unpooled } else { pooled };
                match Compiled::new(engine, compile.clone()) {
                    Ok(mut engine) => run(&mut engine, script).await,
                    Err(error) => Err(error),
                }
            }
            None => match Interpreted::new() {
                Ok(mut engine) => run(&mut engine, script).await,
                Err(error) => Err(error),
            },
        };
        for line in report.add(&script.name, outcome) {
            println!("{line}");
        }
        eprintln!("{}: {report}", script.name);
    }
    for exception in EXCEPTIONS.iter().filter_map(|exception| exception.describe(kind)) {
        println!("{exception}");
    }
    println!("{name}: {report}");
    i32::from(!report.is_good())
}
