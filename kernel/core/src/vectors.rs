//! Selection of the processor state that threads have beyond the general registers.

/// Bits of the state components in XCR0: x87, the lower and the upper halves of the vector registers, and AVX-512's mask
/// registers, upper halves and further registers.
const X87: u64 = 1 << 0;
const SSE: u64 = 1 << 1;
const AVX: u64 = 1 << 2;
const AVX_512: u64 = 1 << 5 | 1 << 6 | 1 << 7;

/// The state components that threads have on a processor that supports these. All others stay disabled: those that need
/// more than saving, or are too large for every thread.
#[must_use]
pub const fn components(supported: u64) -> u64 {
    let mut chosen = X87 | SSE;
    if supported & AVX != 0 {
        chosen |= AVX;
        if supported & AVX_512 == AVX_512 {
            chosen |= AVX_512;
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn avx_512_is_all_or_nothing_and_needs_avx() {
        assert_eq!(components(0b011), 0b011);
        assert_eq!(components(0b111), 0b111);
        assert_eq!(components(0b1110_0111), 0b1110_0111);
        assert_eq!(components(0b0110_0111), 0b111);
        assert_eq!(components(0b1110_0011), 0b011);
    }

    #[test]
    fn other_state_stays_disabled() {
        // Protection keys, control-flow enforcement, tiles, and bits without a meaning.
        assert_eq!(components(u64::MAX), 0b1110_0111);
        assert_eq!(components(!AVX), 0b011);
    }
}
