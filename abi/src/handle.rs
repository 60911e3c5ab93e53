/// A reference to a slot of the calling process's capability table: the index in the low half, the slot's
/// generation in the high half. Generations begin at 1, so no live handle is zero; a handle with another
/// generation than the slot's is stale and never names another object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Handle(pub u64);

impl Handle {
    /// The null handle. In a capability list it stands for a null capability.
    pub const NULL: Self = Self(0);

    /// The handle of slot `index` in its `generation`.
    #[must_use]
    pub const fn new(index: u32, generation: u32) -> Self {
        Self(index as u64 | (generation as u64) << 32)
    }

    /// The slot's index; may be any value in a forged handle.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "the low half is the index")]
    pub const fn index(self) -> u32 {
        self.0 as u32
    }

    /// The slot's generation.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Whether this is the null handle.
    #[must_use]
    pub const fn is_null(self) -> bool {
        self.0 == 0
    }
}
