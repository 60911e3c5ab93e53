//! Disc images on which GRUB, started by BIOS or by UEFI, boots a kernel with its boot package.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum as _;
use clap::builder::PossibleValue;

use crate::interrupts::Interrupts;
use crate::qemu::{ConsoleLine, ISO_MARKER};
use crate::workplace::Workplace;

/// The platforms for a disc that boots by BIOS and UEFI, and their Debian packages.
const PLATFORMS: [(&str, &str); 2] =
    [("/usr/lib/grub/i386-pc", "grub-pc-bin"), ("/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin")];

/// Prefix of the console's line in the disc's "application identifier".
const CONSOLE: &str = "CAPOS CONSOLE ";
/// Position of a disc's first volume descriptor, and of that identifier in it: ISO 9660 (ECMA-119), section
/// 8.4.
const DESCRIPTOR: u64 = 16 * 2048;
/// The beginning of such a descriptor: its type and the standard's identifier.
const IDENTIFIER: [u8; 6] = *b"\x01CD001";
const APPLICATION: std::ops::Range<usize> = 574..702;

/// Writes the disc image `output`, whose console uses `line`.
pub fn make(kernel: &Path, package: &[u8], line: ConsoleLine, output: &Path) -> Result<()> {
    for (folder, debian) in PLATFORMS {
        if !Path::new(folder).is_dir() {
            bail!("GRUB's {folder} is missing; `apt-get install {debian}` installs it");
        }
    }
    let (interrupts, place) = (Interrupts::take()?, Workplace::make()?);
    interrupts.remove(place.path().to_owned());
    let tree = &place.path().join("tree");
    fs::create_dir_all(tree.join("boot/grub"))?;
    fs::copy(kernel, tree.join("boot/capos-kernel")).with_context(|| kernel.display().to_string())?;
    fs::write(tree.join("boot/package"), package)?;
    fs::write(tree.join("boot/grub/grub.cfg"), configuration())?;
    let mut command = Command::new("grub-mkrescue");
    command.arg("-o").arg(output).arg(tree).args(["--", "-application_id"]).arg(application(line));
    let result = command.output();
    let result = result.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            anyhow!("grub-mkrescue is missing; `apt-get install grub-common xorriso mtools`")
        }
        _ => anyhow!(error).context("grub-mkrescue"),
    })?;
    if !result.status.success() {
        let messages = String::from_utf8_lossy(&result.stderr);
        bail!("grub-mkrescue ended with {}\n{}", result.status, messages.trim_end());
    }
    Ok(())
}

/// The application identifier of a disc whose console uses `line`, in capital letters as required.
fn application(line: ConsoleLine) -> String {
    let value = line.to_possible_value();
    format!("{CONSOLE}{}", value.as_ref().map_or("", PossibleValue::get_name).to_ascii_uppercase())
}

/// Whether `disc` begins like a disc image (ISO 9660, 6.7.1).
///
/// # Errors
/// Read errors, except for a file that is too short.
pub fn is_disc(disc: &Path) -> Result<bool> {
    let mut identifier = [0; IDENTIFIER.len()];
    match File::open(disc).and_then(|file| file.read_exact_at(&mut identifier, DESCRIPTOR)) {
        Ok(()) => Ok(identifier == IDENTIFIER),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(anyhow!(error).context(disc.display().to_string())),
    }
}

/// The console line of the disc image `disc`, if the disc records it.
pub fn console(disc: &Path) -> Option<ConsoleLine> {
    let mut descriptor = [0; 2048];
    File::open(disc).and_then(|file| file.read_exact_at(&mut descriptor, DESCRIPTOR)).ok()?;
    let name = descriptor.starts_with(&IDENTIFIER).then(|| descriptor.get(APPLICATION)).flatten()?;
    let name = std::str::from_utf8(name).ok()?.trim_end();
    ConsoleLine::value_variants().iter().copied().find(|line| application(*line) == name)
}

/// GRUB's script. It writes to the first serial line only to report that it is done: from there on the line is the
/// guest's console. Later errors are in the log, on the second line. The kernel gets a screen if there is one, for
/// messages about a failed start.
fn configuration() -> String {
    format!(
        "set timeout=0
insmod all_video
set gfxpayload=auto
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
echo 'Loading capOS'
if multiboot2 /boot/capos-kernel; then
    if module2 /boot/package package; then
        echo -n '{ISO_MARKER}'
        serial --unit=1 --speed=115200
        boot
    fi
fi
echo 'capOS could not be loaded'
halt
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disc_says_what_its_console_comes_over() {
        let folder = tempfile::tempdir().unwrap();
        let disc = folder.path().join("x.iso");
        let found = |start: &[u8], name: &str| {
            let mut content = vec![0; DESCRIPTOR as usize];
            content.extend(start);
            content.resize(DESCRIPTOR as usize + APPLICATION.start, 0);
            content.extend(format!("{name:128}").as_bytes());
            content.resize(DESCRIPTOR as usize + 2048, 0);
            fs::write(&disc, content).unwrap();
            console(&disc)
        };
        let descriptor = b"\x01CD001\x01";
        assert_eq!(found(descriptor, "CAPOS CONSOLE FRAMED-SERIAL"), Some(ConsoleLine::FramedSerial));
        for line in ConsoleLine::value_variants() {
            assert_eq!(found(descriptor, &application(*line)), Some(*line));
        }
        assert_eq!(found(descriptor, "GENISOIMAGE"), None);
        assert_eq!(found(descriptor, "CAPOS CONSOLE RADIO"), None);
        assert_eq!(found(b"no disc", "CAPOS CONSOLE SERIAL"), None);
        fs::write(&disc, "short").unwrap();
        assert_eq!(console(&disc), None);
        assert!(!is_disc(&disc).unwrap());
        assert_eq!(console(folder.path()), None);
    }
}
