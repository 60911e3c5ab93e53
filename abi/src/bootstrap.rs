use core::mem::size_of;

/// Header of the read-only bootstrap pages of every process. Offsets are in bytes from the start of the
/// header.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct BootstrapHeader {
    /// [`Self::MAGIC`].
    pub magic: u64,
    /// [`Self::VERSION`].
    pub version: u32,
    /// Number of granted capabilities.
    pub grant_count: u32,
    /// Offset of their handles (`u64` each), in the order of `LaunchParameters.grants`.
    pub grants_offset: u32,
    /// Offset of the `LaunchParameters` message (stream framing).
    pub launch_offset: u32,
    /// Its length in bytes.
    pub launch_length: u32,
    /// The main thread's stack size in bytes; it ends at [`MAIN_STACK_TOP`](crate::MAIN_STACK_TOP).
    pub stack_length: u32,
    /// Handle of the process's own `VirtualMemory`.
    pub virtual_memory: u64,
    /// Handle of the process's own `ThreadSpawner`.
    pub thread_spawner: u64,
    /// Handle of the process's own `EndpointFactory`.
    pub endpoint_factory: u64,
}

impl BootstrapHeader {
    /// "capOS\0\0\1" as a little-endian number.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"capOS\0\0\x01");
    /// Changes whenever anything in this crate changes incompatibly.
    pub const VERSION: u32 = 1;
}

const _: () = assert!(size_of::<BootstrapHeader>() == 56);
