//! The settings of generated code.
//!
//! Code is generated in one process and run in others, which refuse code that was generated with other settings. So both
//! sides begin with [`config`]. Its users add what concerns only them: limits of stacks, allocation of memories.

mod costs;

pub use costs::{FUEL_PER_UNIT, MOST_UNITS};

use capos_proposals::{Proposal, flag};
use wasmtime::{Collector, Config, WasmFeatures};
#[cfg(feature = "compiler")]
use wasmtime::{OptLevel, RegallocAlgorithm};

/// The variants of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Settings {
    /// Counts fuel and pauses after slices of it. Otherwise the host interrupts what runs for too long, which costs the code
    /// nothing.
    pub counts_fuel: bool,
    /// Instructions of wasmtime's portable interpreter, Pulley, instead of the machine's.
    pub is_portable: bool,
}

/// The portable interpreter.
const PORTABLE: &str = "pulley64";

/// Address space that is kept for a memory of the portable interpreter to grow into without being moved.
const GROWTH_BYTES: u64 = 16 << 20;
/// Address space of a memory: all that 32-bit addresses reach, so that nothing but the pages beyond the memory's end checks
/// bounds.
const RESERVED_BYTES: u64 = 4 << 30;
/// Pages around it that are never accessible, for the offsets in instructions. Larger ones are checked.
const GUARD_BYTES: u64 = 32 << 20;

/// The configuration that determines the code.
pub fn config(settings: Settings) -> wasmtime::Result<Config> {
    let mut config = Config::new();
    if settings.counts_fuel {
        // The epoch tells the end of a slice.
        config.consume_fuel(true).operator_cost(costs::costs()).epoch_interruption(true);
    }
    match settings.is_portable {
        true => portable(&mut config)?,
        false => native(&mut config),
    }
    // Of the collectors, the one that frees cycles.
    config.collector(Collector::Copying);
    // What else is on by default depends on how wasmtime was built.
    config.wasm_features(WasmFeatures::all().difference(WasmFeatures::WASM2), false);
    for (proposal, on) in Proposal::ALL {
        config.wasm_features(flag!(WasmFeatures, proposal), on.compiled());
    }
    Ok(config)
}

/// Bounds are checked by instructions: neither guard pages nor faults are needed.
fn portable(config: &mut Config) -> wasmtime::Result<()> {
    // Where this is used nothing is compiled ahead, so compiling fast is worth more than fast code.
    #[cfg(feature = "compiler")]
    config
        .cranelift_opt_level(OptLevel::None)
        .cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)
        .cranelift_debug_verifier(false);
    config
        .target(PORTABLE)?
        .signals_based_traps(false)
        .memory_init_cow(false)
        .memory_reservation(0)
        .memory_guard_size(0)
        .memory_reservation_for_growth(GROWTH_BYTES)
        .guard_before_linear_memory(false);
    Ok(())
}

fn native(config: &mut Config) {
    #[cfg(feature = "compiler")]
    config.cranelift_opt_level(OptLevel::Speed).cranelift_debug_verifier(false);
    config
        .signals_based_traps(true)
        .memory_init_cow(true)
        .memory_reservation(RESERVED_BYTES)
        .memory_guard_size(GUARD_BYTES)
        .memory_may_move(false)
        .guard_before_linear_memory(true)
        // Backtraces name functions, not lines.
        .generate_address_map(false)
        // wasmtime walks frames by their frame pointers.
        .native_unwind_info(false);
}
