//! Sizes and durations with units.

/// Bytes in `text`, such as `64MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    scaled(text, &[("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
        .map_err(|reason| format!("{reason}; sizes look like 64MiB (units B, KiB, MiB, GiB)"))
}

/// Nanoseconds in `text`, such as `500ms`.
pub(super) fn duration(text: &str) -> Result<u64, String> {
    scaled(
        text,
        &[("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000)],
    )
    .map_err(|reason| format!("{reason}; durations look like 500ms (units ns, us, ms, s, min)"))
}

fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u64, String> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    if digits.is_empty() {
        return Err(format!("{text:?} does not begin with a number"));
    }
    let Some((_, scale)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{text:?} has no known unit"));
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(*scale));
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
    fn sizes() {
        assert_eq!(size("1B"), Ok(1));
        assert_eq!(size("64 KiB"), Ok(65536));
        assert_eq!(size("2GiB"), Ok(2 << 30));
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
            ("MiB", "does not begin with a number"),
            ("-1MiB", "does not begin with a number"),
            ("64", "has no known unit"),
            ("64MB", "has no known unit"),
            ("64  MiB", "has no known unit"),
            ("0MiB", "is zero"),
            ("18446744073709551616B", "is too large"),
            ("18014398509481984KiB", "is too large"),
        ] {
            let error = size(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
