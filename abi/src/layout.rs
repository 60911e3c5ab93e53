//! Layout of a process's address space.

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: u64 = 4096;
/// Lowest address that a process may map. Nothing below it is ever mapped, so null pointers fault.
pub const USER_START: u64 = 0x1_0000;
/// End (exclusive) of the addresses that a process may map.
pub const USER_END: u64 = 0x7fff_ffff_0000;
/// Address of the bootstrap pages.
pub const BOOTSTRAP_ADDRESS: u64 = 0x7ff0_0000_0000;
/// Maximum size of the bootstrap pages, in bytes.
pub const BOOTSTRAP_MAX_BYTES: u64 = 128 * 1024;
/// Address of the first thread's ring.
pub const RING_AREA: u64 = 0x7fe0_0000_0000;
/// Bytes from one thread's ring to the next; the part beyond the ring is never mapped.
pub const RING_STRIDE: u64 = 0x1_0000;
/// End (exclusive) of the main thread's stack.
pub const MAIN_STACK_TOP: u64 = 0x7fd0_0000_0000;
/// Bytes reserved for the main thread's stack; pages are allocated when touched.
pub const MAIN_STACK_BYTES: u64 = 1024 * 1024;
/// Start of the area in which the kernel places mappings without a given address, up to [`MAPPING_AREA_END`].
pub const MAPPING_AREA: u64 = 0x1000_0000_0000;
/// End (exclusive) of the area in which the kernel places mappings.
pub const MAPPING_AREA_END: u64 = 0x7000_0000_0000;
