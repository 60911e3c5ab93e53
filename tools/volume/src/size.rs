//! Sizes as people write them.

/// Reads `64M` and the like; units are powers of 1024.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.strip_suffix(['K', 'M', 'G', 'T', 'k', 'm', 'g', 't']) {
        None => (text, 0),
        Some(digits) => match text.as_bytes().last().map(u8::to_ascii_uppercase) {
            Some(b'K') => (digits, 10),
            Some(b'M') => (digits, 20),
            Some(b'G') => (digits, 30),
            _ => (digits, 40),
        },
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is not a size such as 64M"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse("123"), Ok(123));
        assert_eq!(parse("4K"), Ok(4096));
        assert_eq!(parse("2g"), Ok(2 << 30));
        for bad in ["", "M", "-1", "1.5G", "10B", "99999999999T"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
