//! Limits of a program, each an option with the same name as in a manifest.

use std::time::Duration;

use capos_volume_tool::size_between;
use clap::Args;

use super::amounts::{count, duration};
use crate::manifest::{InstanceLimits, LEAST_STACK, MOST_STACK};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of a WebAssembly program (--memory is one too)")]
pub(super) struct LimitArgs {
    /// Units of fuel, about one per instruction [default: unlimited]
    #[arg(long, value_name = "UNITS", value_parser = count::<u64>(u64::MAX), allow_negative_numbers = true)]
    fuel: Option<u64>,
    /// Time from its start until it is ended, such as 500ms; a plain number is seconds [default: unlimited]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_negative_numbers = true)]
    wall_time: Option<Duration>,
    /// Maximum bytes written to its standard streams, such as 1GiB [default: unlimited]
    #[arg(long, alias = "output-bytes", value_name = "SIZE", value_parser = size_between(1, u64::MAX), allow_negative_numbers = true)]
    output: Option<u64>,
    /// Maximum number of elements in all its tables [default: 65536]
    #[arg(long, value_name = "COUNT", value_parser = count::<u32>(u32::MAX.into()), allow_negative_numbers = true)]
    table_elements: Option<u32>,
    /// Stack for nested calls, such as 8MiB [default: 512KiB]
    #[arg(long, value_name = "SIZE", value_parser = size_between(LEAST_STACK, MOST_STACK), allow_negative_numbers = true)]
    stack: Option<u64>,
    /// Maximum number of open descriptors [default: 1024]
    #[arg(long, value_name = "COUNT", value_parser = count::<u32>(u32::MAX.into()), allow_negative_numbers = true)]
    descriptors: Option<u32>,
}

impl LimitArgs {
    /// The limits that were given.
    pub(super) fn given(&self) -> [(&'static str, bool); 6] {
        [
            ("--fuel", self.fuel.is_some()),
            ("--wall-time", self.wall_time.is_some()),
            ("--output", self.output.is_some()),
            ("--table-elements", self.table_elements.is_some()),
            ("--stack", self.stack.is_some()),
            ("--descriptors", self.descriptors.is_some()),
        ]
    }

    /// As the limits of a manifest, with the memory from another option.
    pub(super) fn limits(&self, memory_bytes: Option<u64>) -> InstanceLimits {
        InstanceLimits {
            memory_bytes,
            fuel: self.fuel,
            // Bounded by the parser.
            wall_time_ns: self.wall_time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)),
            output_bytes: self.output,
            table_elements: self.table_elements,
            stack_bytes: self.stack,
            descriptors: self.descriptors,
        }
    }
}
