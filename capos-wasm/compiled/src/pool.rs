//! Places for instances, reserved before they start.
//!
//! A place is address space only, until an instance uses it. An instance of the module that used a place before finds the
//! module's image mapped there.

use wasmtime::PoolingAllocationConfig;

/// Memory of the process for each place: more instances than that allows could not do anything.
const BYTES_PER_PLACE: u64 = 32 << 10;
const FEWEST: u64 = 64;
/// As many as the lower half of the address space has room for, with some left.
const MOST: u64 = 16_384;

/// The largest needs of a module; the limits of instances are checked elsewhere.
const MEMORIES: u32 = 16;
const TABLES: u32 = 64;
const TABLE_ELEMENTS: usize = 65_536;
const MEMORY_BYTES: usize = 4 << 30;
const INSTANCE_BYTES: usize = 64 << 20;

/// The pool of a process with this memory.
pub(crate) fn pool(memory_bytes: u64) -> PoolingAllocationConfig {
    let places = (memory_bytes / BYTES_PER_PLACE).clamp(FEWEST, MOST) as u32;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(places)
        // Most modules have one of each.
        .total_memories(places + MEMORIES)
        .total_tables(places + TABLES)
        .total_gc_heaps(places)
        .total_stacks(places)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(TABLES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(MEMORY_BYTES)
        .table_elements(TABLE_ELEMENTS);
    pool
}
