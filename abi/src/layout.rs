//! Where things stand in a process's address space.

/// Bytes in a page and in a frame.
pub const PAGE_SIZE: u64 = 4096;
/// The lowest address a process may map. Below it nothing is ever mapped, so null pointers fault.
pub const USER_START: u64 = 0x1_0000;
/// One past the highest address a process may map.
pub const USER_END: u64 = 0x7fff_ffff_0000;
/// Where the bootstrap pages stand.
pub const BOOTSTRAP_ADDRESS: u64 = 0x7ff0_0000_0000;
/// The most bytes of bootstrap pages.
pub const BOOTSTRAP_MAX_BYTES: u64 = 128 * 1024;
/// Where the first thread's ring stands.
pub const RING_AREA: u64 = 0x7fe0_0000_0000;
/// Bytes from one thread's ring to the next; what the ring does not fill is never mapped.
pub const RING_STRIDE: u64 = 0x1_0000;
/// One past the main thread's stack.
pub const MAIN_STACK_TOP: u64 = 0x7fd0_0000_0000;
/// Reserved for the main thread's stack, in bytes; pages are taken as they are touched.
pub const MAIN_STACK_BYTES: u64 = 1024 * 1024;
/// Where the kernel looks for room when a process lets it choose, upwards to [`MAPPING_AREA_END`].
pub const MAPPING_AREA: u64 = 0x1000_0000_0000;
/// One past the area the kernel chooses from.
pub const MAPPING_AREA_END: u64 = 0x7000_0000_0000;
