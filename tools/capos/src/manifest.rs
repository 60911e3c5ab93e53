//! Manifests: their typed form, and the steps from evaluated JSON to Cap'n Proto.

pub mod broken;
pub mod candidates;
pub mod check;
pub mod convert;
pub mod decode;
mod expand;
mod json;
mod model;
mod units;

pub use capos_volume_tool::parse_size as size_of;
pub use decode::{LEAST_STACK, MOST_LINEAR_MEMORY, MOST_STACK, name_of};
pub use model::*;
pub use units::{duration as duration_of, show_duration};

/// Maximum memory of a machine: the reach of a processor with 40 bits of physical address, like QEMU's.
pub(crate) const MOST_MACHINE_BYTES: u64 = 1 << 40;
