//! The two snapshots of Preview 1: the one of that name, and snapshot 0, which programs from 2019 import as
//! `wasi_unstable`.
//!
//! They differ in the numbers of `fd_seek`'s origins and in the layouts of `filestat` and `subscription`; snapshot 0 has no
//! `sock_accept`.

use super::{Function, function};

/// A snapshot, which determines the numbers and layouts used for a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Snapshot {
    /// `wasi_unstable`.
    Zero,
    /// `wasi_snapshot_preview1`.
    #[default]
    One,
}

/// The origin of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whence {
    Set,
    Current,
    End,
}

/// The fields of a `subscription` to a clock, by their offsets.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockLayout {
    pub(super) id: usize,
    pub(super) timeout: usize,
    pub(super) flags: usize,
}

impl Snapshot {
    /// The snapshot whose functions are imported from this module.
    pub fn of_module(module: &str) -> Option<Self> {
        [Self::Zero, Self::One].into_iter().find(|snapshot| snapshot.module() == module)
    }

    /// The module from which guests import its functions.
    pub fn module(self) -> &'static str {
        match self {
            Self::Zero => "wasi_unstable",
            Self::One => "wasi_snapshot_preview1",
        }
    }

    /// Its function of this name.
    pub fn function(self, name: &str) -> Option<&'static Function> {
        function(name).filter(|function| self == Self::One || function.name != "sock_accept")
    }

    pub(super) fn whence(self, number: u32) -> Option<Whence> {
        match (self, number) {
            (Self::One, 0) | (Self::Zero, 2) => Some(Whence::Set),
            (Self::One, 1) | (Self::Zero, 0) => Some(Whence::Current),
            (Self::One, 2) | (Self::Zero, 1) => Some(Whence::End),
            _ => None,
        }
    }

    pub(super) fn subscription_bytes(self) -> u32 {
        match self {
            Self::Zero => 56,
            Self::One => 48,
        }
    }

    /// In snapshot 0 an additional identifier comes first; it duplicates `userdata`.
    pub(super) fn clock_layout(self) -> ClockLayout {
        match self {
            Self::Zero => ClockLayout { id: 24, timeout: 32, flags: 48 },
            Self::One => ClockLayout { id: 16, timeout: 24, flags: 40 },
        }
    }

    pub(super) fn filestat_bytes(self) -> u32 {
        match self {
            Self::Zero => 56,
            Self::One => 64,
        }
    }
}
