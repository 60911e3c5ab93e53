//! The limits of one instance.

use capos_schema::manifest_capnp::instance_limits;

/// The limits of one instance, with the defaults of `schema/manifest.capnp` applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, all memories together.
    pub memory_bytes: u64,
    /// Total fuel of the instance, in units of one simple instruction. `None` is unlimited.
    pub fuel: Option<u64>,
    /// Time from the start to the end. `None` is unlimited.
    pub wall_time_ns: Option<u64>,
    /// Bytes written to the standard streams.
    pub output_bytes: u64,
    /// Elements of all tables together.
    pub table_elements: u32,
    /// Stack for nested calls, in bytes of the stack that a compiled program would have.
    pub stack_bytes: u64,
    /// Maximum number of open descriptors.
    pub descriptors: u32,
}

/// Elements of all tables together, by default.
pub(crate) const DEFAULT_TABLE_ELEMENTS: u32 = 65_536;

/// The largest stack limit that takes effect, since an interpreter needs a multiple of it from the host's
/// memory.
pub(crate) const MAX_STACK_BYTES: u64 = 64 << 20;

/// The largest descriptor limit that takes effect.
const MAX_DESCRIPTORS: u32 = 65_536;

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 64 << 20,
            fuel: None,
            wall_time_ns: None,
            output_bytes: u64::MAX,
            table_elements: DEFAULT_TABLE_ELEMENTS,
            stack_bytes: 512 << 10,
            descriptors: 1024,
        }
    }
}

impl Limits {
    /// Reads limits from a message, where zero means the default.
    pub fn read(reader: instance_limits::Reader<'_>) -> Self {
        let default = Self::default();
        let or = |value: u64, default: u64| if value == 0 { default } else { value };
        let or32 = |value: u32, default: u32| if value == 0 { default } else { value };
        Self {
            memory_bytes: or(reader.get_memory_bytes(), default.memory_bytes),
            fuel: Some(reader.get_fuel()).filter(|&fuel| fuel != 0),
            wall_time_ns: Some(reader.get_wall_time_nanoseconds()).filter(|&time| time != 0),
            output_bytes: or(reader.get_output_bytes(), default.output_bytes),
            table_elements: or32(reader.get_table_elements(), default.table_elements),
            stack_bytes: or(reader.get_stack_bytes(), default.stack_bytes).min(MAX_STACK_BYTES),
            descriptors: or32(reader.get_descriptors(), default.descriptors).min(MAX_DESCRIPTORS),
        }
    }
}
