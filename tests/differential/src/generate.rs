//! Generated modules, whose results the specification determines.

use arbitrary::Unstructured;
use wasm_smith::{Config, MemoryOffsetChoices, Module};

/// Loops and calls of a module in all: no recursion is deep enough to overflow an engine's stack, whose sizes differ.
const FUEL: u32 = 200;

/// The module of a seed. It has no imports, ends, and exports everything.
pub fn generated(seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    loop {
        let length = random.usize(256..4096);
        let bytes: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
        let config = config(&mut random);
        // Not every byte string describes a module.
        let Ok(mut module) = Module::new(config, &mut Unstructured::new(&bytes)) else { continue };
        if module.ensure_termination(FUEL).is_ok() {
            return module.to_bytes();
        }
    }
}

fn config(random: &mut fastrand::Rng) -> Config {
    Config {
        max_imports: 0,
        export_everything: true,
        min_funcs: 1,
        max_funcs: 12,
        max_instructions: 150,
        max_memories: 2,
        min_memories: 1,
        max_memory32_bytes: 1 << 20,
        memory_max_size_required: true,
        max_tables: 3,
        max_table_elements: 1_000,
        table_max_size_required: true,
        memory_offset_choices: MemoryOffsetChoices(80, 19, 1),
        // Otherwise the bits of a result that is no number are any engine's choice.
        canonicalize_nans: true,
        // The proposals that are on, without those whose results may differ.
        simd_enabled: random.bool(),
        tail_call_enabled: random.bool(),
        extended_const_enabled: true,
        wide_arithmetic_enabled: random.bool(),
        relaxed_simd_enabled: false,
        threads_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        memory64_enabled: false,
        custom_page_sizes_enabled: false,
        compact_imports_enabled: false,
        allow_start_export: false,
        ..Config::default()
    }
}
