//! The options of `capos run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::QEMU;
use super::amounts::{count, duration, machine_memory};
use super::program_args::{HELP, ProgramArgs};
use crate::qemu::{ConsoleLine, Firmware, Tty};

/// Maximum number of processors in QEMU.
const MOST_PROCESSORS: u64 = 255;

#[derive(Debug, Clone, Args)]
#[command(after_long_help = HELP, args_override_self = true)]
pub(super) struct RunArgs {
    /// Manifest (a CUE file) or WebAssembly program to boot; `-` reads a program from standard input
    #[arg(value_name = "MANIFEST or PROGRAM.wasm", required_unless_present = "iso", conflicts_with = "iso")]
    pub(super) what: Option<PathBuf>,
    /// Boot this disc image instead of a manifest
    #[arg(long, value_name = "FILE")]
    pub(super) iso: Option<PathBuf>,
    /// Firmware that boots the disc image [default: bios]
    #[arg(long, value_enum)]
    pub(super) firmware: Option<Firmware>,
    /// End the run after this time, including its preparation, such as 5min; a plain number is seconds [default: 60 for a
    /// manifest, unlimited for a program]
    #[arg(long, value_name = "DURATION", value_parser = duration, allow_negative_numbers = true)]
    pub(super) timeout: Option<Duration>,
    /// The machine's memory, such as 256MiB; a plain number is MiB [default: 128, or as much as the images and limits
    /// need]
    #[arg(long, value_name = "SIZE", value_parser = machine_memory, allow_negative_numbers = true)]
    pub(super) mem: Option<u32>,
    /// The program's linear memory, such as 64MiB; with a manifest the same as --mem
    #[arg(long, value_name = "SIZE", allow_negative_numbers = true)]
    pub(super) memory: Option<String>,
    /// Number of processors
    #[arg(long, default_value = "1", value_name = "COUNT", value_parser = count::<u32>(MOST_PROCESSORS), allow_negative_numbers = true)]
    pub(super) smp: u32,
    /// Additional arguments for QEMU, separated by spaces
    #[arg(long, default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(super) qemu_extra: String,
    /// The QEMU command
    #[arg(long, default_value = QEMU, value_name = "COMMAND")]
    pub(super) qemu: PathBuf,
    /// File for the kernel log; must be new or an earlier log [default: build/log/NAME.log]
    #[arg(long, value_name = "FILE")]
    pub(super) log: Option<PathBuf>,
    /// Use this file for a disk volume of the manifest, instead of the one that it names
    #[arg(long = "disk", value_name = "NAME=FILE", value_parser = disk_file)]
    pub(super) disks: Vec<(String, PathBuf)>,
    /// Transport of the console [default: virtio; for a disc image, the one it was made for]
    #[arg(long, value_enum, value_name = "LINE")]
    pub(super) console: Option<ConsoleLine>,
    /// Which streams are terminals for the guest: all, none, or some of stdin,stdout,stderr [default: those that are
    /// on the host]
    #[arg(long, value_name = "STREAMS")]
    pub(super) tty: Option<Tty>,
    /// Advance the clock with executed instructions: exact, repeatable, slower
    #[arg(long)]
    pub(super) icount: bool,
    /// Show the kernel log on standard error as it is written
    #[arg(short, long)]
    pub(super) verbose: bool,
    #[command(flatten)]
    pub(super) program: ProgramArgs,
}

impl RunArgs {
    /// The transport of the consoles of a manifest or program, unless the manifest states it.
    pub(super) fn line(&self) -> ConsoleLine {
        self.console.unwrap_or_default()
    }
}

/// `NAME=FILE`.
fn disk_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, file)) if !name.is_empty() && !file.is_empty() => Ok((name.to_owned(), file.into())),
        _ => Err("expected NAME=FILE".to_owned()),
    }
}
