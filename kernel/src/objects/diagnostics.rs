//! `Diagnostics` (schema/diagnostics.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{SMALL_BYTES, long_results, results},
    self_check,
};
use crate::{
    arch::time,
    line::Line,
    mm::{frames, heap, trial},
};
use capos_abi::Rights;
use capos_schema::diagnostics_capnp::diagnostics;
use capos_schema::methods::diagnostics::{CLOCKS, COUNTERS, FAIL_ALLOCATIONS, LONGEST_STRETCH, SELF_CHECK};
use core::fmt::Write;

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<diagnostics::Client>()?;
    context.require(Rights::READ)?;
    match context.call.method {
        SELF_CHECK => self_check(context),
        COUNTERS => counters(context),
        LONGEST_STRETCH => longest_stretch(context),
        FAIL_ALLOCATIONS => fail_allocations(context, parameters),
        CLOCKS => clocks(context),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

fn self_check(context: &mut Context<'_>) -> Result<Answer, Failure> {
    self_check::begin(context.kernel, context.call.caller);
    Ok(Answer::Later)
}

/// Makes some allocations fail, and later ones succeed, so that a program can continue.
fn fail_allocations(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.require(Rights::WRITE)?;
    let asked: diagnostics::fail_allocations_params::Reader<'_> = parameters.get_root()?;
    let pending = trial::fail(asked.get_number(), asked.get_count());
    results::<diagnostics::fail_allocations_results::Owned>(context.results, |mut results| {
        results.set_pending(pending);
    })
}

fn counters(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let kernel = &mut *context.kernel;
    let (free, total) = frames::counts();
    let (processes, threads) = kernel.system.counts();
    let (first_user_tsc, idle_tsc) = (kernel.first_user_tsc, kernel.system.idle_tsc());
    let (capabilities, endpoints) = (kernel.ipc.caps.capability_count(), kernel.ipc.endpoint_count());
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
        results.set_idle_tsc(idle_tsc);
    })
}

fn longest_stretch(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let stretch = context.kernel.take_longest_stretch();
    let mut what = Line::EMPTY;
    // Writing to a line cannot fail.
    let _ = write!(what, "{stretch}");
    let room = SMALL_BYTES + what.as_str().len();
    long_results::<diagnostics::longest_stretch_results::Owned>(context.results, room, |mut results| {
        results.set_nanoseconds(stretch.nanoseconds());
        results.set_what(what.as_str());
        Ok(())
    })
}

fn clocks(context: &mut Context<'_>) -> Result<Answer, Failure> {
    let (monotonic_ns, reference_ns, corrections) = context
        .kernel
        .clock
        .compare()
        .ok_or(Failure::failed("this machine has no second clock to compare the first with"))?;
    results::<diagnostics::clocks_results::Owned>(context.results, |mut results| {
        results.set_monotonic_nanoseconds(monotonic_ns);
        results.set_reference_nanoseconds(reference_ns);
        results.set_corrections(corrections);
    })
}
