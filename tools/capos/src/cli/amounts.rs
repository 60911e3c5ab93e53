//! Sizes and numbers on the command line, each with its bounds: what is wrong is said with what is possible.

use capos_volume_tool::within_bounds;

use crate::manifest::size_of;

/// Reads a machine's memory in MiB, rounded up; a number alone is one of MiB.
pub(super) fn machine_memory(text: &str) -> Result<u32, String> {
    let read = match text.parse::<u32>() {
        Ok(0) | Err(_) => size_of(text),
        Ok(mebibytes) => Ok(u64::from(mebibytes) << 20),
    };
    let bytes = within_bounds(text, read, 1 << 20, MOST_MACHINE)?;
    u32::try_from(bytes.div_ceil(1 << 20)).map_err(|_| format!("{text:?} is too large"))
}

/// The reach of a processor with 40 bits of physical address, as QEMU's own has.
const MOST_MACHINE: u64 = 1 << 40;

/// Reads a whole number of 1 to `most`.
pub(super) fn count<T: TryFrom<u64>>(most: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("{text:?} is not a whole number of 1 to {most}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_memory_is_in_mebibytes() {
        for (text, mebibytes) in [("256", 256), ("1", 1), ("1GiB", 1024), ("1048577B", 2), ("1T", 1 << 20)] {
            assert_eq!(machine_memory(text), Ok(mebibytes), "{text}");
        }
        for bad in ["0", "-1", "1B", "x", "1048577", "100TiB", "99999999999999999999"] {
            assert!(machine_memory(bad).unwrap_err().contains("1MiB to 1TiB"), "{bad}");
        }
    }

    #[test]
    fn numbers_have_bounds_that_are_said() {
        let read = count::<u32>(255);
        assert_eq!((read("1"), read("255")), (Ok(1), Ok(255)));
        for bad in ["0", "-1", "x", "", "256", "1.5", "99999999999999999999", "100TiB"] {
            assert!(read(bad).unwrap_err().contains("of 1 to 255"), "{bad}");
        }
        assert_eq!(count::<u64>(u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }
}
