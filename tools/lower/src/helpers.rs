//! Functions that are added to a module: what throwing and catching have in common, and ends with a reason. `helper_code` has their bodies.

/// A function that is added at most once. Numbers are type indices unless stated otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Helper {
    /// Takes the values of an exception with a tag of this type, and stores them in their globals.
    Throw(u32),
    /// Ends the flight of an exception with a tag of this type, and returns its values.
    Take(u32),
    /// Returns the lower half of a reference to the exception in flight, whose tag has this type.
    Keep(u32),
    /// Takes the lower half of a reference, and loads the values into their globals.
    Load(u32),
    /// Ends the flight of any exception, and returns a reference to it.
    TakeReference,
    /// Takes a reference, and puts its exception into flight again.
    ThrowReference,
    /// Returns the given reference; traps if it is null.
    NonNull,
    /// Returns the number of a new record.
    Allocate,
    /// Returns zero results for a function of this type.
    Zeros(u32),
    /// Calls the function with this index for the host, and traps when an exception leaves it.
    Entry(u32),
    /// Traps.
    End(Reason),
}

/// A reason for a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    UncaughtException,
    NullReference,
    NoRoom,
    Unaligned,
    ExpectedShared,
    Deadlock,
}

/// Prefix of the names of trapping functions; the rest of the name is the reason.
pub const TRAP_PREFIX: &str = "trap: ";

/// Prefix of the names of all other added functions: not the program's code, and left out of backtraces.
pub const HELPER_PREFIX: &str = "rewriting: ";

/// After [`HELPER_PREFIX`], the prefix of functions that the host calls instead of others, whose names follow.
pub const ENTRY_PREFIX: &str = "entry of ";

impl Reason {
    /// The name of the function that traps for this reason.
    fn name(self) -> String {
        let reason = match self {
            Self::UncaughtException => "uncaught exception",
            Self::NullReference => "null reference to an exception",
            Self::NoRoom => "no space for another referenced exception",
            Self::Unaligned => "unaligned atomic",
            Self::ExpectedShared => "expected shared memory",
            Self::Deadlock => "deadlock: an atomic wait without a timeout, in a single-threaded program",
        };
        format!("{TRAP_PREFIX}{reason}")
    }
}

/// The number of a tag in flight: never 0.
pub(crate) fn tag_number(tag: u32) -> i32 {
    tag.wrapping_add(1).cast_signed()
}

/// The upper half of references to exceptions with this tag.
pub(crate) fn tag_bits(tag: u32) -> i64 {
    (i64::from(tag) + 1) << 32
}

impl Helper {
    /// Its name in the module's name section.
    pub(crate) fn name(self) -> String {
        let name = match self {
            Self::Throw(_) => "throw",
            Self::Take(_) => "catch",
            Self::Keep(_) => "keep exception",
            Self::Load(_) => "load exception",
            Self::TakeReference => "catch_ref",
            Self::ThrowReference => "throw_ref",
            Self::NonNull => "exception reference",
            Self::Allocate => "allocate exception",
            Self::Zeros(_) => "zeros",
            Self::Entry(_) => "entry",
            Self::End(reason) => return reason.name(),
        };
        format!("{HELPER_PREFIX}{name}")
    }
}
