//! Parses durations. Sizes are parsed by `capos volume`'s library.

use capos_volume_tool::{Decimal, part};

/// Nanoseconds in `text`, such as `500ms`.
pub fn duration(text: &str) -> Result<u64, String> {
    scaled(text, &UNITS).map_err(|reason| {
        format!("{reason}; durations look like 500ms or 1.5h (units ns, us, ms, s, min or m, h)")
    })
}

/// Units of durations in nanoseconds, from the smallest to the largest.
const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A duration in nanoseconds with the largest unit of which it is a whole number.
pub fn show_duration(ns: u64) -> String {
    let fitting = UNITS.iter().rev().find(|(_, scale)| ns > 0 && ns.is_multiple_of(*scale));
    let (unit, scale) = fitting.unwrap_or(&UNITS[0]);
    format!("{}{unit}", ns / scale)
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let Decimal { digits, fraction, rest } =
        Decimal::of(text).map_err(|reason| format!("{text:?} {reason}"))?;
    let unit = rest.strip_prefix(' ').unwrap_or(rest);
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{text:?} has no known unit"));
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
    let number = number.and_then(|number| number.checked_add(part(fraction, *scale)));
    match number {
        Some(0) => Err(format!("{text:?} is zero")),
        Some(number) => Ok(number),
        None => Err(format!("{text:?} is too large")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["7ns", "1500ms", "90s", "2min", "3h"] {
            assert_eq!(show_duration(duration(text).unwrap()), text);
        }
        assert_eq!(show_duration(0), "0ns");
    }

    #[test]
    fn durations_have_decimals() {
        for (text, ns) in [("1.5s", 1_500_000_000), ("0.25h", 900_000_000_000), ("1.0 m", 60_000_000_000)] {
            assert_eq!(duration(text), Ok(ns), "{text}");
        }
        assert!(duration("1.s").unwrap_err().contains("no digits behind the point"));
        assert!(duration("0.1ns").unwrap_err().contains("is zero"));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("7ns"), Ok(7));
        assert_eq!(duration("500ms"), Ok(500_000_000));
        assert_eq!(duration("2min"), Ok(120_000_000_000));
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "does not begin with a number"),
            ("ms", "does not begin with a number"),
            ("-1s", "does not begin with a number"),
            ("64", "has no known unit"),
            ("64d", "has no known unit"),
            ("1.5.5s", "has no known unit"),
            ("0s", "is zero"),
            ("18446744073709551616ns", "is too large"),
            ("18446744073709551615us", "is too large"),
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
