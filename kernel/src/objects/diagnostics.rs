//! `Diagnostics` (schema/diagnostics.capnp).

use super::{
    Answer, Context, Failure,
    message::{MAX_RESULT_BYTES, build, results},
};
use crate::{
    arch::time,
    kernel::Kernel,
    mm::{frames, heap},
};
use capos_schema::diagnostics_capnp::diagnostics;

const SELF_CHECK: u16 = 0;
const COUNTERS: u16 = 1;

const MAX_PROBLEMS: usize = 16;

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<diagnostics::Client>()?;
    match context.call.method {
        SELF_CHECK => {
            let mut found = [""; MAX_PROBLEMS];
            let count = self_check(context.kernel, &mut found);
            let found = found.get(..count).unwrap_or_default();
            type Results = diagnostics::self_check_results::Owned;
            let bytes = build::<Results>(context.results, MAX_RESULT_BYTES / 2, |results| {
                let mut list = results.init_problems(found.len() as u32);
                for (position, problem) in found.iter().enumerate() {
                    list.set(position as u32, problem);
                }
                Ok(())
            })?;
            Ok(Answer::Results { bytes, cap: None })
        }
        COUNTERS => counters(context),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

/// Looks for disagreements between the kernel's records; returns how many it found.
fn self_check(kernel: &mut Kernel, found: &mut [&'static str; MAX_PROBLEMS]) -> usize {
    let mut count = 0;
    let mut note = |problem: &'static str| {
        if let Some(place) = found.get_mut(count) {
            *place = problem;
            count += 1;
        }
    };
    if let Err(problem) = kernel.ipc().check() {
        note(problem);
    }
    if !frames::is_consistent() {
        note("the frame allocator's records disagree");
    }
    if !kernel.cpu().is_consistent() {
        note("the run queue's records disagree");
    }
    if !kernel.timers.is_consistent() {
        note("the deadlines of threads are not in order");
    }
    for (_, process) in kernel.processes.iter() {
        if !process.space.regions().is_consistent() {
            note("the regions of an address space overlap or break W^X");
        }
    }
    count
}

fn counters(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let kernel = &mut *context.kernel;
    let (free, total) = frames::counts();
    let (processes, threads) = (kernel.processes.len(), kernel.threads.len());
    let first_user_tsc = kernel.first_user_tsc;
    let (capabilities, endpoints) =
        (kernel.ipc().caps.capability_count(), kernel.ipc().endpoint_count());
    results::<diagnostics::counters_results::Owned>(context.results, |mut results| {
        results.set_frames_free(free);
        results.set_frames_total(total);
        results.set_processes(processes);
        results.set_threads(threads);
        results.set_capabilities(capabilities);
        results.set_endpoints(endpoints);
        results.set_kernel_heap_bytes(heap::bytes() as u64);
        results.set_kernel_entry_tsc(time::entry_tsc());
        results.set_first_user_tsc(first_user_tsc);
    })
}
