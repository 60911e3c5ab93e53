//! Consistency checks that visit everything and can be aborted.
//!
//! A check must see everything in one consistent state, so it is not done in steps: if another thread is to run, it
//! is aborted and repeated later.

use crate::{OutOfMemory, reserve};
use alloc::vec::Vec;

/// Records visited between two questions whether to continue: about ten thousand instructions.
const RECORDS: u32 = 512;
/// Counts that are allocated at a time.
const COUNTS_AT_ONCE: usize = 4096;

/// The reason that a check failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flaw {
    /// It was aborted.
    BrokenOff,
    /// It found this inconsistency.
    Found(&'static str),
}

impl Flaw {
    /// The reason as a text for error messages.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::BrokenOff => "the check was not finished",
            Self::Found(text) => text,
        }
    }
}

impl From<&'static str> for Flaw {
    fn from(text: &'static str) -> Self {
        Self::Found(text)
    }
}

impl From<OutOfMemory> for Flaw {
    fn from(_: OutOfMemory) -> Self {
        Self::Found("there is not enough memory for the check")
    }
}

/// A walk over records.
pub struct Walk<'a> {
    may_go_on: &'a dyn Fn() -> bool,
    left: u32,
}

impl<'a> Walk<'a> {
    /// A walk that calls `may_go_on` at intervals.
    #[must_use]
    pub fn new(may_go_on: &'a dyn Fn() -> bool) -> Self {
        Self { may_go_on, left: RECORDS }
    }

    /// Counts a visited record.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    #[inline]
    pub fn look(&mut self) -> Result<(), Flaw> {
        self.look_at(1)
    }

    /// Counts several visited records at once.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`].
    #[inline]
    pub fn look_at(&mut self, records: u32) -> Result<(), Flaw> {
        self.left = self.left.saturating_sub(records);
        if self.left > 0 {
            return Ok(());
        }
        self.left = RECORDS;
        if (self.may_go_on)() { Ok(()) } else { Err(Flaw::BrokenOff) }
    }

    /// Applies `check` to each of `records`.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`], or what `check` found.
    pub fn over<T>(
        &mut self,
        records: impl IntoIterator<Item = T>,
        mut check: impl FnMut(T) -> Result<(), Flaw>,
    ) -> Result<(), Flaw> {
        records.into_iter().try_for_each(|record| {
            self.look()?;
            check(record)
        })
    }
}

/// One count for each record, by its place.
pub struct Counts<T = u32>(Vec<T>);

impl<T: Clone + Default> Counts<T> {
    /// All counts zero, for this many places.
    ///
    /// # Errors
    /// [`Flaw::BrokenOff`], or that there is not enough memory.
    pub fn new(places: u32, walk: &mut Walk<'_>) -> Result<Self, Flaw> {
        let mut counts = Vec::new();
        let places = places as usize;
        while counts.len() < places {
            let piece = (places - counts.len()).min(COUNTS_AT_ONCE);
            reserve(&mut counts, piece)?;
            counts.resize(counts.len() + piece, T::default());
            walk.look_at(RECORDS / 4)?;
        }
        Ok(Self(counts))
    }

    /// The count of a place.
    #[must_use]
    pub fn of(&self, place: u32) -> T {
        self.0.get(place as usize).cloned().unwrap_or_default()
    }

    /// The count of a place, mutable.
    pub fn at_mut(&mut self, place: u32) -> Option<&mut T> {
        self.0.get_mut(place as usize)
    }
}

impl Counts {
    pub(crate) fn add(&mut self, place: u32) {
        if let Some(count) = self.at_mut(place) {
            *count += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_asks_now_and_then_and_ends_when_told() {
        let asked = core::cell::Cell::new(0);
        let may_go_on = || {
            asked.set(asked.get() + 1);
            asked.get() < 3
        };
        let mut walk = Walk::new(&may_go_on);
        let mut seen = 0;
        let result = walk.over(0.., |_: u32| {
            seen += 1;
            Ok(())
        });
        assert_eq!((result, asked.get()), (Err(Flaw::BrokenOff), 3));
        assert_eq!(seen, 3 * RECORDS - 1);
    }

    #[test]
    fn what_is_found_ends_it() {
        let mut walk = Walk::new(&|| true);
        assert_eq!(walk.over([1, 2], |_| Err("wrong".into())), Err(Flaw::Found("wrong")));
    }

    #[test]
    fn counts_are_made_in_pieces() {
        let counts = Counts::<u32>::new(10_000, &mut Walk::new(&|| true));
        assert_eq!(
            counts.map(|counts| (counts.0.len(), counts.of(9_999), counts.of(10_000))),
            Ok((10_000, 0, 0))
        );
        assert!(matches!(Counts::<u32>::new(100_000, &mut Walk::new(&|| false)), Err(Flaw::BrokenOff)));
    }
}
