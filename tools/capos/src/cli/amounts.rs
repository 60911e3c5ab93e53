//! Sizes, durations and numbers on the command line, each with bounds that error messages state.

use std::time::Duration;

use capos_volume_tool::within_bounds;

use crate::manifest::{MOST_MACHINE_BYTES, duration_of, size_of};

/// Parses a machine's memory in MiB, rounded up; a plain number is in MiB.
pub(super) fn machine_memory(text: &str) -> Result<u32, String> {
    let read = match text.parse::<u32>() {
        Ok(0) | Err(_) => size_of(text),
        Ok(mebibytes) => Ok(u64::from(mebibytes) << 20),
    };
    let bytes = within_bounds(text, read, 1 << 20, MOST_MACHINE_BYTES)?;
    u32::try_from(bytes.div_ceil(1 << 20)).map_err(|_| format!("{text:?} is too large"))
}

/// Parses a whole number from 1 to `most`.
pub(super) fn count<T: TryFrom<u64>>(most: u64) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse::<u64>().ok().filter(|number| (1..=most).contains(number));
        let number = number.and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| format!("{text:?} is not a whole number from 1 to {most}"))
    }
}

/// Parses a duration such as `500ms`; a plain number is in seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let with_unit = if is_number { format!("{text}s") } else { text.to_owned() };
    let read = duration_of(&with_unit).map(Duration::from_nanos);
    read.map_err(|reason| format!("{}; a plain number is in seconds", reason.replace(&with_unit, text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_have_a_unit() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("500ms", 500),
            ("2min", 120_000),
            ("1 s", 1000),
            ("1.5", 1500),
            ("1h", 3_600_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for (bad, wanted) in [
            ("0", "\"0\" is zero"),
            ("", "does not begin with a number"),
            ("-1", "does not begin with a number"),
            ("1.5d", "no known unit"),
            ("0s", "is zero"),
            ("99999999999999999999", "\"99999999999999999999\" is too large"),
            ("1d", "units ns, us, ms, s, min"),
        ] {
            let error = duration(bad).unwrap_err();
            assert!(
                error.contains(wanted) && error.ends_with("a plain number is in seconds"),
                "{bad}: {error}"
            );
        }
    }

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
            assert!(read(bad).unwrap_err().contains("from 1 to 255"), "{bad}");
        }
        assert_eq!(count::<u64>(u64::MAX)("18446744073709551615"), Ok(u64::MAX));
    }
}
