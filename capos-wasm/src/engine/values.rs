//! Values and types that are passed to or from an instance.

use crate::{Value, ValueType};
use std::fmt;

/// The types of values that callers can pass.
pub(crate) type ValueTypes = &'static [ValueType];

/// The type of a parameter or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Value(ValueType),
    /// A vector or reference, by name.
    Other(String),
}

impl Type {
    /// The type of values that callers can pass, if it is one.
    pub(crate) fn value(&self) -> Option<ValueType> {
        match self {
            Self::Value(ty) => Some(*ty),
            Self::Other(_) => None,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(ty) => ty.fmt(f),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// The type of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) params: Vec<Type>,
    pub(crate) results: Vec<Type>,
}

impl Signature {
    pub(crate) fn of_values(params: ValueTypes, results: ValueTypes) -> Self {
        let types = |types: ValueTypes| types.iter().copied().map(Type::Value).collect();
        Self { params: types(params), results: types(results) }
    }

    pub(crate) fn takes_and_returns_nothing(&self) -> bool {
        self.params.is_empty() && self.results.is_empty()
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", Types(&self.params), Types(&self.results))
    }
}

/// A list of types, in parentheses.
pub(crate) struct Types<'a>(pub(crate) &'a [Type]);

impl fmt::Display for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.0.iter().map(Type::to_string).collect();
        write!(f, "({})", types.join(", "))
    }
}

/// A result of an exported function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Returned {
    Value(Value),
    V128(u128),
    /// A reference of the kind `name`, such as `funcref`.
    Reference {
        name: &'static str,
        is_null: bool,
    },
}

impl Returned {
    /// The value for callers, which cannot receive vectors or references.
    pub(crate) fn value(self) -> Option<Value> {
        match self {
            Self::Value(value) => Some(value),
            Self::V128(_) | Self::Reference { .. } => None,
        }
    }
}

impl fmt::Display for Returned {
    /// The same format as wasmtime prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => value.fmt(f),
            Self::V128(value) => value.fmt(f),
            Self::Reference { name, is_null: true } => write!(f, "<null {name}>"),
            Self::Reference { name, is_null: false } => write!(f, "<{name}>"),
        }
    }
}
