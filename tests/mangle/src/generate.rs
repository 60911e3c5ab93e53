//! Generated modules.

use crate::Random;
use arbitrary::Unstructured;
use wasm_smith::{Config, MemoryOffsetChoices, Module};

/// `(module (func (export "_start")) (memory (export "memory") 1))`: the exports of every module.
const EXPORTS: &[u8] = b"\0asm\x01\0\0\0\
    \x01\x04\x01\x60\0\0\
    \x03\x02\x01\0\
    \x05\x03\x01\0\x01\
    \x07\x13\x02\x06_start\0\0\x06memory\x02\0\
    \x0a\x04\x01\x02\0\x0b";

/// A valid module with some of the imports of the module `imports`.
pub fn generated(random: &mut Random, imports: &[u8]) -> Vec<u8> {
    loop {
        let length = 512 + random.below(2048);
        let bytes = random.bytes(length);
        // Not every byte string describes a module.
        if let Ok(module) = Module::new(config(random, imports), &mut Unstructured::new(&bytes)) {
            return module.to_bytes();
        }
    }
}

fn config(random: &mut Random, imports: &[u8]) -> Config {
    // Occasionally a feature that the host does not run; the module must then fail to start without other
    // effects.
    let mut seldom = || random.below(16) == 0;
    Config {
        available_imports: Some(imports.to_vec()),
        exports: Some(EXPORTS.to_vec()),
        max_memories: 2,
        max_tables: 3,
        max_memory32_bytes: 2 << 20,
        max_table_elements: 8192,
        max_funcs: 20,
        max_instructions: 200,
        min_data_segments: 1,
        simd_enabled: seldom(),
        threads_enabled: seldom(),
        gc_enabled: seldom(),
        exceptions_enabled: seldom(),
        memory64_enabled: seldom(),
        relaxed_simd_enabled: false,
        compact_imports_enabled: false,
        wide_arithmetic_enabled: false,
        custom_page_sizes_enabled: false,
        memory_offset_choices: MemoryOffsetChoices(90, 9, 1),
        ..Config::default()
    }
}
