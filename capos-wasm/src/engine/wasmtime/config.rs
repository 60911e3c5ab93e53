//! The configuration of wasmtime.

use super::costs::costs;
use super::flags::flag;
use crate::engine::proposals::Proposal;
use std::num::NonZeroUsize;
use wasmtime::{Config, Inlining, OptLevel, RegallocAlgorithm, WasmFeatures};

/// The portable interpreter.
const TARGET: &str = "pulley64";

/// The interpreter's stack for each byte of the limit, which is in bytes of a compiled program's stack. A call needs 16
/// bytes there at least; here the smallest needs 128 to 256, since registers are allocated fast rather than well.
const STACK_BYTES_PER_BYTE: usize = 16;
/// Enough to call any function at all.
const MIN_STACK_BYTES: usize = 1 << 20;
/// The stack of each call for the host's own functions. Pages that are never touched take no memory.
const HOST_STACK_BYTES: usize = 2 << 20;

/// Address space that is kept for a memory to grow into without being moved.
const GROWTH_BYTES: u64 = 16 << 20;

/// As many as the other engine finds.
const BACKTRACE_FRAMES: Option<NonZeroUsize> = NonZeroUsize::new(64);

pub(super) fn config(stack_bytes: u64) -> wasmtime::Result<Config> {
    // Limited, and `usize` has 64 bits on all supported targets.
    let stack_bytes = (stack_bytes as usize * STACK_BYTES_PER_BYTE).max(MIN_STACK_BYTES);
    let mut config = Config::new();
    config
        .target(TARGET)?
        .consume_fuel(true)
        .operator_cost(costs())
        // Tells the end of a slice; see `metering`.
        .epoch_interruption(true)
        // Modules are compiled as a whole before they start, so compiling fast is worth more than fast code.
        .cranelift_opt_level(OptLevel::None)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        .cranelift_debug_verifier(false)
        .compiler_inlining(Inlining::No)
        // Bounds are checked by instructions: neither guard pages nor signals are needed.
        .signals_based_traps(false)
        .memory_init_cow(false)
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_reservation_for_growth(GROWTH_BYTES)
        .guard_before_linear_memory(false)
        .wasm_backtrace_max_frames(BACKTRACE_FRAMES)
        .max_wasm_stack(stack_bytes)
        .async_stack_size(stack_bytes + HOST_STACK_BYTES);
    for (proposal, is_on) in Proposal::ALL {
        config.wasm_features(flag!(WasmFeatures, proposal), is_on);
    }
    Ok(config)
}
