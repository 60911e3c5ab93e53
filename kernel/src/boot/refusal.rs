//! Reasons for a failed start, shown on the screen, on the first serial port (the guest's console), and in the log.

use crate::{
    arch::{Missing, power, screen, serial},
    klog,
};
use core::fmt::{self, Write as _};

/// The reason why this machine cannot run capOS.
#[derive(Debug)]
pub enum Refusal {
    /// The processor lacks features.
    Processor(Missing),
    /// The machine has too little memory.
    Memory {
        /// Available memory, in bytes.
        found: u64,
        /// Required memory, in bytes.
        needed: u64,
    },
    /// The boot loader passed no boot package.
    NoPackage,
    /// The boot package is invalid.
    BadPackage(capnp::Error),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor(missing) => write!(f, "this processor lacks {missing}."),
            Self::Memory { found, needed } => write!(
                f,
                "this machine has {} MiB of usable memory, and what is to be started needs at least {} MiB.",
                found >> 20,
                needed.div_ceil(1 << 20)
            ),
            Self::NoPackage => write!(f, "the boot loader passed no boot package."),
            Self::BadPackage(error) => write!(f, "the boot package is damaged: {error}."),
        }
    }
}

impl Refusal {
    const fn advice(&self) -> &'static str {
        match self {
            Self::Processor(_) => {
                "QEMU: add `-cpu max`, or, with hardware virtualisation, `-enable-kvm -cpu host`.\n\
                 A real machine needs a processor of 2019 or later (Intel Ice Lake, AMD Zen 2)."
            }
            Self::Memory { .. } => "QEMU: add `-m 128`. What each program may use is in the manifest.",
            Self::NoPackage => {
                "QEMU: add `-initrd FILE` with the output of `capos image`.\n\
                 GRUB: add `module2 FILE` after `multiboot2`."
            }
            Self::BadPackage(_) => "Rebuild it with `capos image` or `capos iso`.",
        }
    }
}

struct FirstPort;

impl fmt::Write for FirstPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::CONSOLE.write_waiting(text.as_bytes());
        Ok(())
    }
}

/// Stops with an error message.
pub fn refuse(reason: &Refusal) -> ! {
    let advice = reason.advice();
    // Neither the screen nor the port reports errors.
    let _ = write!(screen::Writer::begin(), "capOS cannot start: {reason}\n\n{advice}\n");
    let _ = write!(FirstPort, "\ncapOS cannot start: {reason}\n{advice}\n");
    klog!("cannot start: {reason}");
    power::exit_after_panic()
}
