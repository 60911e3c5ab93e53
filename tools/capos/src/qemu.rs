//! Runs an image in QEMU and determines how it ended.
//!
//! The guest's console is a virtio console, connected by a socket, or its first serial port, connected to QEMU's standard
//! input and output. The second serial port is the kernel's log, connected by another socket. So our standard streams
//! carry only the guest's output.

mod command;
mod console;
mod input;
mod log;
mod output;
mod session;
mod streams;
mod tie;

pub use command::{Boot, Disk, Firmware, Machine};
pub use console::{Console, ConsoleLine, TerminalsNow, Tty};
pub use input::{END_OF_INPUT, QUOTE};
pub(crate) use log::is_banner;
pub use output::ISO_MARKER;
pub use session::{Run, ShowLog, run};
pub use tie::{OURSELVES, become_tied};

/// The way a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MachineEnd {
    /// The guest ended regularly with this status.
    Status(u8),
    /// The kernel reported a bug of its own.
    Panic,
    /// The machine reset or powered off without the kernel saying so.
    Reset,
    /// The time limit was reached.
    TimedOut,
    /// A signal requested the end.
    Signalled(i32),
    /// QEMU itself failed, with its message.
    Qemu(String),
}

/// A finished run.
#[derive(Debug)]
pub struct FinishedRun {
    /// How it ended.
    pub end: MachineEnd,
    /// Whether input could not be read and the guest could not be told, as on a plain serial line.
    pub lost_input: bool,
    /// Whether output of the guest could not be written to a standard stream.
    pub lost_output: bool,
    /// The last lines of its kernel log. The log's file may already belong to another run.
    pub log: Vec<String>,
}

impl FinishedRun {
    /// The exit status of the host command.
    pub fn exit_status(&self) -> u8 {
        match self.end.exit_status() {
            0 if self.lost_output || self.lost_input => 1,
            status => status,
        }
    }
}

impl MachineEnd {
    fn exit_status(&self) -> u8 {
        match self {
            Self::Status(status) => *status,
            Self::Panic | Self::Reset => 70,
            Self::Qemu(_) => 71,
            Self::TimedOut => 124,
            Self::Signalled(signal) => 128u8.saturating_add(u8::try_from(*signal).unwrap_or(0)),
        }
    }
}
