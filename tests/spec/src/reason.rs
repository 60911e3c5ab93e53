//! Reasons of traps, by which the engines' and the scripts' words are compared.

/// The reason of a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An access outside a memory.
    MemoryBounds,
    /// An access outside a table.
    TableBounds,
    /// An access outside an array.
    ArrayBounds,
    /// An indirect call of an empty element.
    Uninitialized,
    /// An indirect call of a function of another type.
    Signature,
    /// A null reference that was to be used.
    Null,
    /// A reference that is not of the type that it was cast to.
    Cast,
    /// A division by zero.
    DivisionByZero,
    /// A result that its integer type cannot represent.
    IntegerOverflow,
    /// A number that no integer represents.
    Conversion,
    /// The instruction `unreachable`.
    Unreachable,
    /// Too many nested calls.
    StackExhausted,
    /// A reason that no script names.
    Other,
}

impl Reason {
    /// The reason that a script's message begins with.
    pub(crate) fn expected(message: &str) -> Option<Self> {
        const MESSAGES: [(&str, Reason); 20] = [
            ("out of bounds memory access", Reason::MemoryBounds),
            ("out of bounds table access", Reason::TableBounds),
            ("undefined element", Reason::TableBounds),
            ("out of bounds array access", Reason::ArrayBounds),
            ("uninitialized", Reason::Uninitialized),
            ("indirect call type mismatch", Reason::Signature),
            ("null function reference", Reason::Null),
            ("null structure reference", Reason::Null),
            ("null array reference", Reason::Null),
            ("null exception reference", Reason::Null),
            ("null i31 reference", Reason::Null),
            ("null reference", Reason::Null),
            ("cast failure", Reason::Cast),
            ("integer divide by zero", Reason::DivisionByZero),
            ("integer overflow", Reason::IntegerOverflow),
            ("invalid conversion to integer", Reason::Conversion),
            ("unreachable", Reason::Unreachable),
            ("call stack exhausted", Reason::StackExhausted),
            ("stack overflow", Reason::StackExhausted),
            ("undefined", Reason::TableBounds),
        ];
        MESSAGES.iter().find(|(text, _)| message.starts_with(text)).map(|(_, reason)| *reason)
    }
}
