//! Runs one module on one engine and records everything that a program could observe: what each exported function returns or
//! why it traps, and the globals and memories afterwards.

mod generate;
mod interpreted;
mod wasmtime_based;

pub use generate::generated;
pub use interpreted::Interpreted;
pub use wasmtime_based::Generated;

/// An engine under test.
pub trait Runner {
    /// Its name in messages.
    fn name(&self) -> &'static str;

    /// Runs a module without imports: instantiates it, and calls each exported function with arguments that `seed` chooses.
    fn run(&self, module: &[u8], seed: u64) -> Observed;
}

/// Everything observed of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observed {
    /// The module is invalid.
    Refused,
    /// It trapped while it was instantiated.
    Stillborn(Reason),
    /// It was called.
    Called {
        /// The calls, in the order of the names.
        calls: Vec<Call>,
        /// The exported globals, as the bits of their values.
        globals: Vec<Bits>,
        /// The exported memories: their lengths, and hashes of their contents.
        memories: Vec<(usize, u64)>,
    },
}

/// A call of an exported function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub name: String,
    /// The results, or the reason of the trap.
    pub outcome: Result<Vec<Bits>, Reason>,
}

/// A value's bits, or for a reference whether it is null.
pub type Bits = u128;

/// The reasons of traps, as far as the specification tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// `unreachable` was executed.
    Unreachable,
    /// An access out of the bounds of a memory.
    MemoryBounds,
    /// An access out of the bounds of a table, or of an element or null reference in a call.
    TableOrReference,
    /// A division by zero.
    DivisionByZero,
    /// The result of an integer operation has no representation.
    IntegerOverflow,
    /// A conversion of a number that is none, or is too large.
    BadConversion,
    /// An indirect call of a function of another type.
    BadSignature,
    /// Calls nest too deeply.
    StackOverflow,
    /// Anything else.
    Other,
}

/// A source of arguments: interesting bits, and others.
pub(crate) struct Inputs(fastrand::Rng);

impl Inputs {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    pub(crate) fn bits(&mut self) -> u64 {
        const INTERESTING: [u64; 12] = [
            0,
            1,
            u64::MAX,
            i64::MIN as u64,
            i64::MAX as u64,
            0x8000_0000,
            0x7fff_ffff,
            0xffff_ffff,
            0x7f80_0000,
            0x7ff0_0000_0000_0000,
            65_535,
            65_536,
        ];
        match self.0.u8(0..3) {
            0 => INTERESTING[self.0.usize(0..INTERESTING.len())],
            1 => self.0.u64(0..200),
            _ => self.0.u64(..),
        }
    }
}

/// A hash of bytes (FNV-1a, over words).
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let words = bytes.chunks(8).map(|word| {
        let mut whole = [0; 8];
        whole[..word.len()].copy_from_slice(word);
        u64::from_le_bytes(whole)
    });
    for word in words {
        hash = (hash ^ word).wrapping_mul(0x100_0000_01b3);
    }
    hash
}
