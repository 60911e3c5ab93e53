//! The disc image: GRUB boots the same manifest by BIOS and by UEFI.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use capos_tests::command::{self, Input};
use capos_tests::expectation::Expectation;
use capos_tests::{capos, tree};
use libtest_mimic::Trial;

use crate::trial;

/// The manifest on the disc.
const NAME: &str = "wasi-hello-rust";
/// Firmware and boot loader are slow under emulation.
const SECONDS: u64 = 300;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<_> = ["bios", "uefi"]
        .into_iter()
        .map(|firmware| trial(format!("iso-{firmware}"), move || boot(firmware)))
        .collect();
    trials.extend(
        ["framed-serial", "virtio"].map(|line| trial(format!("iso-console-{line}"), move || console(line))),
    );
    trials
}

/// The disc records its console.
fn console(line: &str) -> Result<()> {
    let disc = pack_with(&format!("console-{line}"), &["--console", line])?;
    let mut expected = Expectation::read(NAME)?;
    expected.seconds = SECONDS;
    expected.options.extend(["--mem", "256"].map(str::to_owned));
    capos::check(&format!("iso-console-{line}"), &["--iso", &disc.to_string_lossy()], &expected)
}

/// Packs a disc for this test, since both tests run concurrently, and boots it.
fn boot(firmware: &str) -> Result<()> {
    let disc = pack(firmware)?;
    let disc = disc.to_string_lossy();

    let mut expected = Expectation::read(NAME)?;
    expected.seconds = SECONDS;
    expected.options.extend(["--mem", "256", "--firmware", firmware].map(str::to_owned));
    capos::check(&format!("iso-{firmware}"), &["--iso", &disc], &expected)
}

/// Packs the disc image `name`.
pub(crate) fn pack(name: &str) -> Result<PathBuf> {
    pack_with(name, &[])
}

fn pack_with(name: &str, options: &[&str]) -> Result<PathBuf> {
    let folder = tree::root().join("build/iso");
    std::fs::create_dir_all(&folder)?;
    let disc = folder.join(format!("{name}.iso"));
    let mut command = capos::host_command();
    command.arg("iso").arg(tree::manifest(NAME)).args(options).arg("--force").arg("-o").arg(&disc);
    succeed(&mut command)?;
    Ok(disc)
}

fn succeed(command: &mut Command) -> Result<()> {
    let outcome = command::run(command, Input::Bytes(b""), Duration::from_secs(SECONDS))?;
    ensure!(
        outcome.status == Some(0),
        "{command:?}: status {:?}\n{}",
        outcome.status,
        String::from_utf8_lossy(&outcome.stderr)
    );
    Ok(())
}
