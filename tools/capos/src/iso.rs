//! Disc images on which GRUB, started by BIOS or by UEFI, boots a kernel with its boot package.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, bail};

use crate::qemu::ISO_MARKER;

/// What has to be there for a disc that boots both ways, and the Debian packages that have it.
const PLATFORMS: [(&str, &str); 2] =
    [("/usr/lib/grub/i386-pc", "grub-pc-bin"), ("/usr/lib/grub/x86_64-efi", "grub-efi-amd64-bin")];

/// Writes the disc image `output`.
pub fn make(kernel: &Path, package: &[u8], output: &Path) -> Result<()> {
    for (folder, debian) in PLATFORMS {
        if !Path::new(folder).is_dir() {
            bail!("GRUB's {folder} is missing; `apt-get install {debian}` installs it");
        }
    }
    let folder = tempfile::Builder::new().prefix("capos-iso-").tempdir().context("a temporary folder")?;
    let tree = folder.path();
    fs::create_dir_all(tree.join("boot/grub"))?;
    fs::copy(kernel, tree.join("boot/capos-kernel")).with_context(|| kernel.display().to_string())?;
    fs::write(tree.join("boot/package"), package)?;
    fs::write(tree.join("boot/grub/grub.cfg"), configuration())?;
    let result = Command::new("grub-mkrescue").arg("-o").arg(output).arg(tree).output();
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

/// GRUB's script. It speaks to the first serial line only to say that it is done: from there on the line is
/// the guest's console. What goes wrong after that stands in the log, on the second line. The kernel gets a screen if there is one, to say what hinders its start.
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
