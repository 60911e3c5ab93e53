//! Values passed between a caller and an instance's exports.

use std::fmt;

/// The type of a [`Value`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        })
    }
}

/// An argument or result of an exported function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// 32-bit integer.
    I32(i32),
    /// 64-bit integer.
    I64(i64),
    /// 32-bit floating point.
    F32(f32),
    /// 64-bit floating point.
    F64(f64),
}

impl Value {
    /// Its type.
    pub(crate) fn ty(self) -> ValueType {
        match self {
            Self::I32(_) => ValueType::I32,
            Self::I64(_) => ValueType::I64,
            Self::F32(_) => ValueType::F32,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// Parses a value as typed by a user: integers in decimal or, after `0x`, hexadecimal, signed or unsigned;
    /// floating-point numbers in decimal, also `nan`, `inf` and `-inf`. An error says what is wrong with it.
    pub(crate) fn parse(ty: ValueType, text: &str) -> Result<Self, String> {
        let float = |error: std::num::ParseFloatError| format!("{text:?} is no {ty}: {error}");
        match ty {
            ValueType::I32 => {
                let bits = integer(text, 32).map_err(|reason| format!("{text:?} is no {ty}: {reason}"))?;
                Ok(Self::I32(bits as i32))
            }
            ValueType::I64 => {
                let bits = integer(text, 64).map_err(|reason| format!("{text:?} is no {ty}: {reason}"))?;
                Ok(Self::I64(bits as i64))
            }
            ValueType::F32 => text.parse().map(Self::F32).map_err(float),
            ValueType::F64 => text.parse().map(Self::F64).map_err(float),
        }
    }
}

/// An integer between the smallest signed and the largest unsigned one of this many bits.
fn integer(text: &str, bits: u32) -> Result<i128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("an integer in decimal or, after 0x, hexadecimal was expected".to_owned());
    }
    let out_of_range = || format!("it does not fit in {bits} bits");
    let magnitude = i128::from(u64::from_str_radix(digits, radix).map_err(|_| out_of_range())?);
    let value = if negative { -magnitude } else { magnitude };
    let (least, most) = (-(1i128 << (bits - 1)), (1i128 << bits) - 1);
    if (least..=most).contains(&value) { Ok(value) } else { Err(out_of_range()) }
}

impl fmt::Display for Value {
    /// Integers are signed; floating-point numbers have enough digits to distinguish them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Value, ValueType};

    fn shown(ty: ValueType, text: &str) -> Option<String> {
        Value::parse(ty, text).ok().map(|value| value.to_string())
    }

    #[test]
    fn integers_are_signed_or_unsigned() {
        let rows = [
            ("5", "5"),
            ("+5", "5"),
            ("-5", "-5"),
            ("010", "10"),
            ("0x10", "16"),
            ("-0X10", "-16"),
            ("2147483648", "-2147483648"),
            ("4294967295", "-1"),
            ("0xffffffff", "-1"),
            ("-2147483648", "-2147483648"),
        ];
        for (text, value) in rows {
            assert_eq!(shown(ValueType::I32, text).as_deref(), Some(value), "{text}");
        }
        for text in [
            "",
            "-",
            "0x",
            " 5",
            "5.0",
            "1_0",
            "abc",
            "--5",
            "+-5",
            "4294967296",
            "-2147483649",
            "0x100000000",
        ] {
            assert_eq!(shown(ValueType::I32, text), None, "{text}");
        }
        assert_eq!(shown(ValueType::I64, "18446744073709551615").as_deref(), Some("-1"));
        assert_eq!(shown(ValueType::I64, "-9223372036854775808").as_deref(), Some("-9223372036854775808"));
        assert_eq!(shown(ValueType::I64, "18446744073709551616"), None);
        assert_eq!(shown(ValueType::I64, "-9223372036854775809"), None);
    }

    #[test]
    fn floats_are_shown_as_wasmtime_shows_them() {
        let rows = [
            ("1", "1"),
            ("1.5", "1.5"),
            ("-0", "-0"),
            ("nan", "NaN"),
            ("-inf", "-inf"),
            ("1e-10", "0.0000000001"),
            ("16777217", "16777216"),
            ("1e40", "inf"),
        ];
        for (text, value) in rows {
            assert_eq!(shown(ValueType::F32, text).as_deref(), Some(value), "{text}");
        }
        assert_eq!(shown(ValueType::F64, "0.1").as_deref(), Some("0.1"));
        assert_eq!(shown(ValueType::F64, "1e16").as_deref(), Some("10000000000000000"));
        assert_eq!(shown(ValueType::F64, "0x10"), None);
        assert_eq!(shown(ValueType::F64, ""), None);
    }
}
