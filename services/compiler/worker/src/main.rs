//! Compiles one WebAssembly module or component, and ends. The compiler service starts one such process for each module,
//! so machine code is made by a process that has seen nothing else.
//!
//! ```text
//! compiler-worker LENGTH module|component [fuel] [portable]
//! ```
//!
//! Grants: "module" (a sealed `MemoryObject` whose first LENGTH bytes are compiled), "job" (the `CompilerJob` that takes
//! the result), "entropy" (for hash tables).

mod arguments;
mod compile;
mod job;
mod progress;

use std::process::ExitCode;
use std::thread;

use capos_rt::{SealedMemory, block_on};

use arguments::Arguments;
use job::Job;

/// Cranelift recurses over the structure of functions. Pages that are never touched take no memory.
const STACK_BYTES: usize = 32 << 20;

fn main() -> ExitCode {
    let started = thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    match started.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Compiles, and delivers the result or the reason why there is none.
fn run() -> capnp::Result<()> {
    let job = Job::find()?;
    job::report_panics();
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(reason) => return job.failed(&reason),
    };
    let module = capos_rt::grant(job::MODULE)?;
    let module = block_on(SealedMemory::map(module, arguments.length))?;
    match compile::compile(&job, &module, arguments) {
        Ok(artifact) => job.deliver(&artifact),
        Err(reason) => job.failed(&reason),
    }
}
