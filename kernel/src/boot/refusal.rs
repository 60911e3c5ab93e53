//! Reasons not to start, told to whoever looks: on the screen, on the first serial port, where the guest's console would be,
//! and in the log.

use crate::{
    arch::{Missing, power, screen, serial},
    klog,
};
use core::fmt::{self, Write as _};

/// Why this machine cannot run capOS.
#[derive(Debug)]
pub enum Refusal {
    /// The processor lacks features.
    Processor(Missing),
    /// There is too little memory.
    Memory {
        /// The memory that there is, in bytes.
        found: u64,
        /// The memory that is needed at least.
        needed: u64,
    },
    /// The boot loader passed no boot package.
    NoPackage,
    /// The boot package is not what it should be.
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
                "QEMU: add `-initrd FILE` with the file that `capos image` made.\n\
                 GRUB: add `module2 FILE` after `multiboot2`."
            }
            Self::BadPackage(_) => "Make it again with `capos image` or `capos iso`.",
        }
    }
}

struct FirstPort;

impl fmt::Write for FirstPort {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        serial::write_console_waiting(text.as_bytes());
        Ok(())
    }
}

/// Ends the start.
pub fn refuse(reason: &Refusal) -> ! {
    let advice = reason.advice();
    // Neither screen nor port reports an error.
    let _ = write!(screen::Writer::begin(), "capOS cannot start: {reason}\n\n{advice}\n");
    let _ = write!(FirstPort, "\ncapOS cannot start: {reason}\n{advice}\n");
    klog!("cannot start: {reason}");
    power::exit_after_panic()
}
