//! Parses durations. Sizes are parsed by `capos volume`'s library.

/// Nanoseconds in `text`, such as `500ms`.
pub fn duration(text: &str) -> Result<u64, String> {
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
            ("64h", "has no known unit"),
            ("0s", "is zero"),
            ("18446744073709551616ns", "is too large"),
            ("18446744073709551615us", "is too large"),
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
