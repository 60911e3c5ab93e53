//! The processor's random number instructions.

use core::arch::asm;

/// Number of attempts before giving up, as the manual advises.
const ATTEMPTS: u32 = 10;

macro_rules! random_instruction {
    ($(#[$meta:meta])* $name:ident, $instruction:literal, $available:expr) => {
        $(#[$meta])*
        pub fn $name() -> Option<u64> {
            if !$available {
                return None;
            }
            for _ in 0..ATTEMPTS {
                let (value, filled): (u64, u8);
                // SAFETY: the instruction exists (checked above) and only writes a register and flags.
                unsafe {
                    asm!(concat!($instruction, " {}"), "setc {}", out(reg) value, out(reg_byte) filled,
                         options(nomem, nostack));
                }
                if filled == 1 {
                    return Some(value);
                }
            }
            None
        }
    };
}

random_instruction! {
    /// A number from the processor's entropy source, if available.
    rdseed, "rdseed", super::cpu::has_rdrand_and_rdseed().1
}
random_instruction! {
    /// A number from the processor's random number generator, if available.
    rdrand, "rdrand", super::cpu::has_rdrand_and_rdseed().0
}
