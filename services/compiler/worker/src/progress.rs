//! Progress, by Cranelift's own hook for profilers: it tells when each function is begun.

use std::any::Any;
use std::cell::Cell;

use cranelift_codegen::timing::{Pass, Profiler, set_thread_profiler};
use wasmtime::wasmparser::{Parser, Payload};

use crate::job::Job;

/// The number of reports in the course of a compilation.
const REPORTS: u32 = 64;

struct Counter {
    job: Job,
    functions: u32,
    begun: Cell<u32>,
}

impl Profiler for Counter {
    fn start_pass(&self, pass: Pass) -> Box<dyn Any> {
        if pass == Pass::wasm_translate_function {
            let done = self.begun.get();
            self.begun.set(done.saturating_add(1));
            if done.is_multiple_of(self.functions.div_ceil(REPORTS).max(1)) {
                self.job.progress(self.functions, done.min(self.functions));
            }
        }
        Box::new(())
    }
}

/// Has the progress of the calling thread's compilation of `module` reported to `job`.
pub(crate) fn report(job: Job, module: &[u8]) {
    let functions = functions(module);
    // The profiler before, which measures time, has measured nothing yet.
    drop(set_thread_profiler(Box::new(Counter { job, functions, begun: Cell::new(0) })));
}

/// The number of functions that `module` and the modules in it define, as far as it can be parsed.
fn functions(module: &[u8]) -> u32 {
    let sections = Parser::new(0).parse_all(module).map_while(Result::ok);
    let counts = sections.filter_map(|payload| match payload {
        Payload::CodeSectionStart { count, .. } => Some(count),
        _ => None,
    });
    counts.fold(0, u32::saturating_add)
}
