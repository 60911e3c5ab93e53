//! Sizes as written on the command line and in manifests.

/// Units and their shifts; a number without a unit counts bytes. Letters may be lower case.
const UNITS: [(&str, u32); 10] = [
    ("", 0),
    ("b", 0),
    ("k", 10),
    ("kib", 10),
    ("m", 20),
    ("mib", 20),
    ("g", 30),
    ("gib", 30),
    ("t", 40),
    ("tib", 40),
];

/// Bytes in `text`, such as `64MiB`, `1.5M` or `67108864`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wanted = "sizes look like 64MiB, 1.5M or 67108864 (units B, K or KiB, M or MiB, G or GiB, T or TiB)";
    let Decimal { digits, fraction, rest: unit } =
        Decimal::of(text).map_err(|reason| format!("{text:?} {reason}; {wanted}"))?;
    let unit = unit.strip_prefix(' ').filter(|unit| !unit.is_empty()).unwrap_or(unit).to_ascii_lowercase();
    let Some((_, shift)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("{text:?} has no known unit; {wanted}"));
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    match number.and_then(|number| number.checked_add(part(fraction, 1 << shift))) {
        Some(0) => Err(format!("{text:?} is zero")),
        Some(bytes) => Ok(bytes),
        None => Err(format!("{text:?} is too large")),
    }
}

/// A decimal number at the beginning of a text.
#[derive(Clone, Copy, Debug)]
pub struct Decimal<'a> {
    /// The digits before the point.
    pub digits: &'a str,
    /// Those behind it.
    pub fraction: &'a str,
    /// The text after the number.
    pub rest: &'a str,
}

impl<'a> Decimal<'a> {
    /// The number that `text` begins with.
    ///
    /// # Errors
    /// Says what is wrong with the text, for a message that begins with it.
    pub fn of(text: &'a str) -> Result<Self, &'static str> {
        let end_of_digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at(end_of_digits(text));
        if digits.is_empty() {
            return Err("does not begin with a number");
        }
        match rest.strip_prefix('.').map(|rest| rest.split_at(end_of_digits(rest))) {
            Some(("", _)) => Err("has no digits behind the point"),
            Some((fraction, rest)) => Ok(Self { digits, fraction, rest }),
            None => Ok(Self { digits, fraction: "", rest }),
        }
    }
}

/// The part of `scale` that decimal digits behind a point make, rounded down.
pub fn part(digits: &str, scale: u64) -> u64 {
    // No unit has more decimal places than these.
    let digits = digits.bytes().take(15).map(|digit| u128::from(digit.wrapping_sub(b'0')));
    let (number, ten) = digits.fold((0, 1), |(number, ten), digit| (number * 10 + digit, ten * 10));
    u64::try_from(number * u128::from(scale) / ten).unwrap_or(0)
}

/// Parses a size of `least` to `most` bytes. Errors state these bounds.
pub fn size_between(least: u64, most: u64) -> impl Fn(&str) -> Result<u64, String> + Clone {
    move |text| within_bounds(text, parse_size(text), least, most)
}

/// Checks the size `read` from `text` against bounds.
///
/// # Errors
/// States the bounds, also for a parse error.
pub fn within_bounds(text: &str, read: Result<u64, String>, least: u64, most: u64) -> Result<u64, String> {
    let possible = match (least, most) {
        (0 | 1, u64::MAX) => "1B or more".to_owned(),
        _ => format!("{} to {}", show_size(least), show_size(most)),
    };
    match read {
        Ok(bytes) if bytes < least => Err(format!("{text:?} is too small; allowed: {possible}")),
        Ok(bytes) if bytes > most => Err(format!("{text:?} is too large; allowed: {possible}")),
        Ok(bytes) => Ok(bytes),
        Err(reason) => Err(format!("{reason}; allowed: {possible}")),
    }
}

/// Formats `bytes` for [`parse_size`], in the largest unit that is exact.
pub fn show_size(bytes: u64) -> String {
    let exact = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = exact.iter().find(|(_, shift)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| format!("{bytes}B"), |(name, shift)| format!("{}{name}", bytes >> shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_understood_as_people_write_them() {
        for (text, bytes) in [
            ("1B", 1),
            ("123", 123),
            ("4096", 4096),
            ("4K", 4096),
            ("64 KiB", 65536),
            ("16M", 16 << 20),
            ("16m", 16 << 20),
            ("16MiB", 16 << 20),
            ("2g", 2 << 30),
            ("1GiB", 1 << 30),
            ("3T", 3 << 40),
            ("1.5MiB", 3 << 19),
            ("0.25 k", 256),
            ("1.0", 1),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "does not begin with a number"),
            ("MiB", "does not begin with a number"),
            ("-1MiB", "does not begin with a number"),
            (" 1M", "does not begin with a number"),
            ("1.G", "has no digits behind the point"),
            (".5G", "does not begin with a number"),
            ("1.5.5G", "has no known unit"),
            ("0.0001K", "is zero"),
            ("64MB", "has no known unit"),
            ("64  MiB", "has no known unit"),
            ("64 ", "has no known unit"),
            ("0MiB", "is zero"),
            ("0", "is zero"),
            ("18446744073709551616", "is too large"),
            ("18014398509481984KiB", "is too large"),
        ] {
            let error = parse_size(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn bounds_are_said() {
        let read = size_between(4 << 20, 1 << 30);
        assert_eq!((read("4MiB"), read("1G")), (Ok(4 << 20), Ok(1 << 30)));
        for bad in
            ["0", "-1", "1B", "x", "", "1025MiB", "100TiB", "99999999999999999999", "1.5G", "5MB", "5 "]
        {
            let error = read(bad).unwrap_err();
            assert!(error.contains("allowed: 4MiB to 1GiB"), "{bad}: {error}");
        }
        assert_eq!(size_between(1, u64::MAX)("1B"), Ok(1));
        assert!(size_between(1, u64::MAX)("0").unwrap_err().ends_with("allowed: 1B or more"));
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for (bytes, text) in
            [(1, "1B"), (1536, "1536B"), (2048, "2KiB"), (3 << 30, "3GiB"), (1025 << 20, "1025MiB")]
        {
            assert_eq!(show_size(bytes), text);
            assert_eq!(parse_size(text), Ok(bytes));
        }
    }
}
