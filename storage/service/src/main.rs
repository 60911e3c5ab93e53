//! The file service: serves one volume, as the export "volume". `capos` lists one for each volume of a manifest.
//!
//! ```text
//! fs VOLUME ram BYTES            a volume in memory, empty at the start
//! fs VOLUME packed NAME          the image NAME of the boot package, read-only
//! fs VOLUME disk [read-only]     the disk behind the grant "disk"
//! ```
//!
//! It runs on one thread, and an operation that waits for the device blocks those behind it. Grants: "entropy" and
//! "timer"; "log" for its messages; "wall-clock" for time stamps, which are otherwise 0; and the medium:
//! "boot-package" for a packed volume, "disk" (a `BlockDevice`) for one on a disk.

mod clock;
mod disk;
mod medium;
mod sync;

use std::process::ExitCode;

use capos_fs::{Clients, FileService, Full, ObjectLimits, Options};

use medium::Medium;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match begin(&arguments) {
        Ok(service) => {
            capos_rt::block_on(sync::keep(service));
            ExitCode::SUCCESS
        }
        Err(reason) => {
            say(&reason);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to the log, beginning with the name of the volume.
fn say(what: &str) {
    let name = std::env::args().nth(1).unwrap_or_default();
    eprintln!("fs: {name}: {what}");
}

/// Opens the volume and starts to serve it.
fn begin(arguments: &[String]) -> Result<FileService, String> {
    let parts: Vec<&str> = arguments.iter().skip(2).map(String::as_str).collect();
    let medium = Medium::find(&parts)?;
    let clock = clock::clock();
    let volume = medium.open(&clock)?;
    let options = Options {
        // `serve_rc` created directories, so one that comes back in a message is recognised.
        clients: Clients { file: capos_rt::serve_rc, directory: capos_rt::serve_rc },
        limits: ObjectLimits::default(),
        when_full: Some(|full| {
            say(match full {
                Full::Data => "the volume is full",
                Full::Names => "the volume has no space for more names",
            });
        }),
    };
    let reopen = medium.reopen(&clock);
    let service = FileService::new(volume, options, reopen);
    capos_rt::serve_export(capos_schema::names::VOLUME_EXPORT, service.client())
        .map_err(|error| error.to_string())?;
    Ok(service)
}
