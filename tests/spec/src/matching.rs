//! Whether results are those that a script expects.

use crate::Value;
use wast::{
    WastRet,
    core::{NanPattern, V128Pattern, WastRetCore},
    token::{F32, F64},
};

/// Whether a result is the expected one.
pub(crate) fn matches(result: Value, expected: &WastRet<'_>) -> bool {
    match expected {
        WastRet::Core(expected) => matches_core(result, expected),
        _ => false,
    }
}

fn matches_core(result: Value, expected: &WastRetCore<'_>) -> bool {
    match (expected, result) {
        (WastRetCore::I32(expected), Value::I32(value)) => *expected == value,
        (WastRetCore::I64(expected), Value::I64(value)) => *expected == value,
        (WastRetCore::F32(expected), Value::F32(bits)) => single(expected, bits),
        (WastRetCore::F64(expected), Value::F64(bits)) => double(expected, bits),
        (WastRetCore::V128(expected), Value::V128(bits)) => vector(expected, bits.to_le_bytes()),
        (WastRetCore::RefNull(_), Value::Null) => true,
        (WastRetCore::RefExtern(None), Value::Extern(_)) => true,
        (WastRetCore::RefExtern(expected), Value::Extern(number)) => *expected == number,
        (WastRetCore::RefHost(expected), Value::Host(number)) => *expected == number,
        (WastRetCore::RefFunc(_), Value::Func) => true,
        (WastRetCore::RefAny, Value::I31 | Value::Struct | Value::Array | Value::Host(_)) => true,
        (WastRetCore::RefEq, Value::I31 | Value::Struct | Value::Array) => true,
        (WastRetCore::RefArray, Value::Array) => true,
        (WastRetCore::RefStruct, Value::Struct) => true,
        (WastRetCore::RefI31, Value::I31) => true,
        (WastRetCore::Either(all), value) => all.iter().any(|expected| matches_core(value, expected)),
        _ => false,
    }
}

const SINGLE_NAN: u32 = 0x7fc0_0000;
const DOUBLE_NAN: u64 = 0x7ff8_0000_0000_0000;

/// A canonical NaN has no bit but the first of its fraction, and any sign; an arithmetic one has that bit at least.
fn single(expected: &NanPattern<F32>, bits: u32) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff == SINGLE_NAN,
        NanPattern::ArithmeticNan => bits & SINGLE_NAN == SINGLE_NAN,
        NanPattern::Value(value) => value.bits == bits,
    }
}

fn double(expected: &NanPattern<F64>, bits: u64) -> bool {
    match expected {
        NanPattern::CanonicalNan => bits & 0x7fff_ffff_ffff_ffff == DOUBLE_NAN,
        NanPattern::ArithmeticNan => bits & DOUBLE_NAN == DOUBLE_NAN,
        NanPattern::Value(value) => value.bits == bits,
    }
}

fn vector(expected: &V128Pattern, bytes: [u8; 16]) -> bool {
    match expected {
        V128Pattern::I8x16(lanes) => {
            lanes.iter().zip(lanes_of(bytes, i8::from_le_bytes)).all(|(a, b)| *a == b)
        }
        V128Pattern::I16x8(lanes) => {
            lanes.iter().zip(lanes_of(bytes, i16::from_le_bytes)).all(|(a, b)| *a == b)
        }
        V128Pattern::I32x4(lanes) => {
            lanes.iter().zip(lanes_of(bytes, i32::from_le_bytes)).all(|(a, b)| *a == b)
        }
        V128Pattern::I64x2(lanes) => {
            lanes.iter().zip(lanes_of(bytes, i64::from_le_bytes)).all(|(a, b)| *a == b)
        }
        V128Pattern::F32x4(lanes) => {
            lanes.iter().zip(lanes_of(bytes, u32::from_le_bytes)).all(|(a, b)| single(a, b))
        }
        V128Pattern::F64x2(lanes) => {
            lanes.iter().zip(lanes_of(bytes, u64::from_le_bytes)).all(|(a, b)| double(a, b))
        }
    }
}

/// The lanes of a vector, of `N` bytes each.
fn lanes_of<const N: usize, T>(bytes: [u8; 16], read: fn([u8; N]) -> T) -> impl Iterator<Item = T> {
    (0..16 / N).map(move |lane| read(std::array::from_fn(|byte| bytes[lane * N + byte])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nans_are_told_from_each_other() {
        assert!(single(&NanPattern::CanonicalNan, 0xffc0_0000));
        assert!(!single(&NanPattern::CanonicalNan, 0x7fc0_0001));
        assert!(single(&NanPattern::ArithmeticNan, 0x7fc0_0001));
        assert!(!single(&NanPattern::ArithmeticNan, 0x7fa0_0000));
        assert!(double(&NanPattern::CanonicalNan, 0xfff8_0000_0000_0000));
        assert!(!double(&NanPattern::CanonicalNan, 0x7ff8_0000_0000_0001));
        assert!(!double(&NanPattern::ArithmeticNan, 0x7ff0_0000_0000_0001));
        assert!(!double(&NanPattern::ArithmeticNan, 0));
    }

    #[test]
    fn lanes_are_compared_one_by_one() {
        let mut bytes = [0; 16];
        bytes[2] = 1;
        assert!(vector(&V128Pattern::I16x8([0, 1, 0, 0, 0, 0, 0, 0]), bytes));
        assert!(!vector(&V128Pattern::I16x8([1, 0, 0, 0, 0, 0, 0, 0]), bytes));
        bytes[15] = 0x7f;
        bytes[14] = 0xf8;
        assert!(vector(
            &V128Pattern::F64x2([NanPattern::Value(F64 { bits: 1 << 16 }), NanPattern::CanonicalNan]),
            bytes
        ));
    }
}
