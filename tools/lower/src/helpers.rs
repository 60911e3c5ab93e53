//! Functions that are added to a module: what throwing and catching have in common, and ends with a reason. `helper_code` has their bodies.

/// A function that is added at most once. Numbers are those of types, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Helper {
    /// Takes the values of exceptions with tags of this type, and puts them into their globals.
    Throw(u32),
    /// Ends the flight of an exception with a tag of this type, and returns its values.
    Take(u32),
    /// Returns the lower half of a reference to the exception in flight, whose tag has this type.
    Keep(u32),
    /// Takes the lower half of a reference, and puts the values back into their globals.
    Load(u32),
    /// Ends the flight of any exception, and returns a reference to it.
    TakeReference,
    /// Takes a reference, and puts that exception into flight again.
    ThrowReference,
    /// Returns the reference that it takes; traps when it is null.
    NonNull,
    /// Returns the number of a new record.
    Allocate,
    /// Returns zeros for the results of a function of this type.
    Zeros(u32),
    /// Calls the function with this index for the host, and traps when an exception leaves it.
    Entry(u32),
    /// Ends the program.
    End(Reason),
}

/// A rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    UncaughtException,
    NullReference,
    NoRoom,
    Unaligned,
    ExpectedShared,
    Deadlock,
}

/// Begins the names of functions that end a program; the rest of the name is the reason.
pub const TRAP_PREFIX: &str = "trap: ";

/// Begins the names of all other functions that are added: no code of the program's, and left out of backtraces.
pub const HELPER_PREFIX: &str = "rewriting: ";

/// Begins, behind [`HELPER_PREFIX`], the names of functions that the host calls in place of others, whose names follow.
pub const ENTRY_PREFIX: &str = "entry of ";

impl Reason {
    /// The name of the function that ends the program for it.
    fn name(self) -> String {
        let reason = match self {
            Self::UncaughtException => "uncaught exception",
            Self::NullReference => "null reference to an exception",
            Self::NoRoom => "no room for another exception that is referred to",
            Self::Unaligned => "unaligned atomic",
            Self::ExpectedShared => "expected shared memory",
            Self::Deadlock => "deadlock: an atomic wait without a timeout, in a program of one thread",
        };
        format!("{TRAP_PREFIX}{reason}")
    }
}

/// The number that stands for a tag while its exception is in flight: never 0.
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
