//! `capos volume`: creates volume images, lists them, copies files in and out, and checks them.
//!
//! It uses the same library as the file service. A command takes a [`VolumeCommand`] from `clap` and [`run`]s it.

// They abort the program when standard output is closed or full.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod export;
mod guest;
mod host;
mod image;
mod import;
mod links;
mod list;
mod mirror;
mod need;
mod pack;
mod size;
mod source;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use capos_volume::MIN_DEVICE_BYTES;
use clap::Subcommand;

use export::Existing;
pub use image::{Content, probe};
pub use links::Links;
pub use mirror::{Mirror, Outcome};
pub use pack::{Packed, pack};
pub use size::{Decimal, parse_size, part, show_size, size_between, within_bounds};
pub use source::{LeftOut, Source};

/// The largest volume.
const MOST_DEVICE_BYTES: u64 = 16 << 40;

/// Creates an empty volume of `size` bytes in the new file `path`.
pub fn create(path: &Path, size: u64) -> Result<()> {
    image::create(path, size, None, false)
}

/// A command about a volume image.
#[derive(Clone, Debug, Subcommand)]
pub enum VolumeCommand {
    /// Create an empty volume in a new file
    Create {
        /// The image to create
        file: PathBuf,
        /// Its size, such as 64MiB
        #[arg(long, value_parser = size_between(MIN_DEVICE_BYTES, MOST_DEVICE_BYTES), default_value = "64M", allow_negative_numbers = true)]
        size: u64,
        /// Space for names and attributes, up to a quarter of the size; default: about a sixteenth
        #[arg(long, value_parser = size_between(1, MOST_DEVICE_BYTES / 4), allow_negative_numbers = true)]
        metadata: Option<u64>,
        /// Replace an existing file
        #[arg(long)]
        force: bool,
    },
    /// List a directory of a volume
    Ls {
        /// The image
        file: PathBuf,
        /// A directory or file in the volume
        #[arg(default_value = ".")]
        path: String,
        /// Include all subdirectories
        #[arg(short, long)]
        recursive: bool,
    },
    /// Copy host files or folders into a volume, replacing files of the same name
    Import {
        /// The image
        file: PathBuf,
        /// Files and folders to copy
        #[arg(required = true)]
        sources: Vec<PathBuf>,
        /// The destination directory in the volume; created if it does not exist
        #[arg(long, default_value = ".")]
        to: String,
    },
    /// Copy files or directories out of a volume
    Export {
        /// The image
        file: PathBuf,
        /// File or directory to copy
        path: String,
        /// Destination on the host
        target: PathBuf,
        /// Replace an existing destination
        #[arg(long)]
        force: bool,
    },
    /// Check every name, block and checksum of a volume, and repair metadata from its second copy
    Check {
        /// The image
        file: PathBuf,
    },
}

/// Runs a command. Its output goes to standard output; a closed pipe there is not an error.
pub fn run(command: VolumeCommand) -> Result<()> {
    let is_broken_pipe = |error: &anyhow::Error| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    };
    match perform(command) {
        Err(error) if is_broken_pipe(&error) => Ok(()),
        result => result,
    }
}

fn perform(command: VolumeCommand) -> Result<()> {
    match command {
        VolumeCommand::Create { file, size, metadata, force } => image::create(&file, size, metadata, force),
        VolumeCommand::Ls { file, path, recursive } => {
            list::list(&mut image::open_to_read(&file)?, &path, recursive, &mut std::io::stdout().lock())
        }
        VolumeCommand::Import { file, sources, to } => {
            all_imported(&import::import(&mut image::open_to_write(&file)?, &sources, &to)?)
        }
        VolumeCommand::Export { file, path, target, force } => {
            let existing = if force { Existing::Replace } else { Existing::Keep };
            export::export(&mut image::open_to_read(&file)?, &path, &target, existing)
        }
        VolumeCommand::Check { file } => {
            let problems = image::check(&mut image::open_to_write(&file)?, &mut std::io::stdout().lock())?;
            if problems > 0 { bail!("{}: {problems} problems", file.display()) } else { Ok(()) }
        }
    }
}

/// Prints the entries left out, and fails if there are any, because a complete copy was requested.
fn all_imported(left_out: &[LeftOut]) -> Result<()> {
    for one in left_out {
        // The exit status reports it as well.
        drop(writeln!(io::stderr(), "capos: left out: {one}"));
    }
    match left_out.len() {
        0 => Ok(()),
        1 => bail!("1 entry was left out; everything else was copied"),
        count => bail!("{count} entries were left out; everything else was copied"),
    }
}
