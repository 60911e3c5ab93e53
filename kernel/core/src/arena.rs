//! A growable table of records with generational ids: an id never refers to a later record in the same place.

use crate::{NONE, OutOfMemory, reserve};
use alloc::vec::Vec;
use core::{
    fmt, hash,
    marker::PhantomData,
    num::{NonZeroU32, NonZeroU64},
};

/// Identifies a record of an [`Arena<T>`] by its place and the generation of that place. It is one word, also as an
/// `Option`, because schedulers and calls compare and store ids all the time.
pub struct Id<T> {
    /// The generation in the low half, the place in the high half. The first generation is 1, so no record has
    /// 0.
    packed: NonZeroU64,
    record: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Refers to no record.
    pub const NOTHING: Self = Self { packed: NonZeroU64::MAX, record: PhantomData };

    /// The id of the record in this place with this generation.
    #[inline]
    fn of(index: u32, generation: NonZeroU32) -> Self {
        Self { packed: NonZeroU64::from(generation) | u64::from(index) << 32, record: PhantomData }
    }

    /// The id as a number, which [`Self::unpack`] reads.
    #[must_use]
    #[inline]
    pub const fn pack(self) -> u64 {
        self.packed.get()
    }

    /// The id packed in a number. It need not refer to any record: the number may be a reply token from a
    /// process.
    #[must_use]
    #[inline]
    pub const fn unpack(packed: u64) -> Self {
        match Self::try_unpack(packed) {
            Some(id) => id,
            None => Self::NOTHING,
        }
    }

    /// As [`Self::unpack`]; `None` for a number that is no id.
    #[inline(always)]
    pub(crate) const fn try_unpack(packed: u64) -> Option<Self> {
        match NonZeroU64::new(packed) {
            Some(packed) => Some(Self { packed, record: PhantomData }),
            None => None,
        }
    }

    /// The record's place.
    #[must_use]
    #[inline]
    pub const fn index(self) -> u32 {
        (self.packed.get() >> 32) as u32
    }

    /// The generation of the place.
    #[inline]
    pub(crate) const fn generation(self) -> u32 {
        self.packed.get() as u32
    }
}

impl<T> Clone for Id<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.packed == other.packed
    }
}
impl<T> Eq for Id<T> {}
impl<T> hash::Hash for Id<T> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.packed.hash(state);
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.index(), self.generation())
    }
}

struct Slot<T> {
    generation: NonZeroU32,
    next_free: u32,
    value: Option<T>,
}

/// A record and the generation of its place.
pub(crate) struct Occupied<'a, T> {
    index: u32,
    generation: &'a mut NonZeroU32,
    pub(crate) record: &'a mut T,
}

impl<T> Occupied<'_, T> {
    /// The generation of the place.
    #[inline(always)]
    pub(crate) const fn generation(&self) -> u32 {
        self.generation.get()
    }

    /// The generation that [`Self::renew`] would assign, if the place has at least `uses` generations left.
    #[inline(always)]
    pub(crate) fn next(&self, uses: u32) -> Option<NonZeroU32> {
        self.generation.checked_add(uses)?;
        self.generation.checked_add(1)
    }

    /// Gives the record a new id; the old one becomes stale.
    #[inline(always)]
    pub(crate) fn renew(&mut self, next: NonZeroU32) -> Id<T> {
        *self.generation = next;
        Id::of(self.index, next)
    }
}

/// A growable table of `T` that reuses places.
pub struct Arena<T> {
    slots: Vec<Slot<T>>,
    first_free: u32,
    used: u32,
    limit: u32,
    /// Number of lookups.
    #[cfg(test)]
    looks: core::cell::Cell<u64>,
}

impl<T> Arena<T> {
    /// An empty arena that holds at most `limit` records.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self {
            slots: Vec::new(),
            first_free: NONE,
            used: 0,
            limit,
            #[cfg(test)]
            looks: core::cell::Cell::new(0),
        }
    }

    /// Counts a lookup, for tests of the amount of work.
    #[inline(always)]
    fn look(&self) {
        #[cfg(test)]
        self.looks.set(self.looks.get() + 1);
    }

    /// Number of lookups.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// Number of records.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.used
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Ensures that the next `count` insertions succeed.
    ///
    /// # Errors
    /// If memory or the limit do not allow it.
    pub fn reserve(&mut self, count: u32) -> Result<(), OutOfMemory> {
        if self.used.checked_add(count).is_none_or(|total| total > self.limit) {
            return Err(OutOfMemory);
        }
        let free = self.slots.len() as u32 - self.used;
        if count > free {
            reserve(&mut self.slots, (count - free) as usize)?;
        }
        Ok(())
    }

    /// The place that the next inserted record will get.
    ///
    /// # Errors
    /// If memory or the limit do not allow another record.
    #[inline(always)]
    pub(crate) fn vacant(&mut self) -> Result<u32, OutOfMemory> {
        if self.first_free == NONE {
            self.grow()?;
        }
        Ok(self.first_free)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If memory or the limit do not allow it.
    #[inline(always)]
    pub fn insert(&mut self, value: T) -> Result<Id<T>, OutOfMemory> {
        // The value is written in one statement, so that it can be built in place.
        let index = self.vacant()?;
        let slot = self.slots.get_mut(index as usize).ok_or(OutOfMemory)?;
        self.first_free = slot.next_free;
        self.used += 1;
        slot.value = Some(value);
        Ok(Id::of(index, slot.generation))
    }

    /// Gives a record a new id, as if it were removed and another inserted in its place. `None` without any change
    /// if the id is stale or the place has no generation left.
    #[inline(always)]
    pub fn renew(&mut self, id: Id<T>) -> Option<(Id<T>, &mut T)> {
        let slot = self
            .slots
            .get_mut(id.index() as usize)
            .filter(|slot| slot.generation.get() == id.generation())?;
        let value = slot.value.as_mut()?;
        slot.generation = slot.generation.checked_add(1)?;
        Some((Id::of(id.index(), slot.generation), value))
    }

    /// The record in a place, of any generation, with its generation.
    #[inline(always)]
    pub(crate) fn occupied_at(&mut self, index: u32) -> Option<Occupied<'_, T>> {
        self.look();
        let Slot { generation, value, .. } = self.slots.get_mut(index as usize)?;
        Some(Occupied { index, generation, record: value.as_mut()? })
    }

    /// Adds an empty place.
    #[cold]
    fn grow(&mut self) -> Result<(), OutOfMemory> {
        self.reserve(1)?;
        self.first_free = self.slots.len() as u32;
        self.slots.push(Slot { generation: NonZeroU32::MIN, next_free: NONE, value: None });
        Ok(())
    }

    /// Removes a record; its id becomes stale.
    #[inline]
    pub fn remove(&mut self, id: Id<T>) -> Option<T> {
        self.look();
        let slot = self
            .slots
            .get_mut(id.index() as usize)
            .filter(|slot| slot.generation.get() == id.generation())?;
        let value = slot.value.take()?;
        self.used -= 1;
        // A place whose generations are exhausted is retired, since an old id must never refer to a new
        // record.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            slot.next_free = self.first_free;
            self.first_free = id.index();
        }
        Some(value)
    }

    /// As [`Self::remove`], if the value is not needed.
    #[inline(always)]
    pub fn discard(&mut self, id: Id<T>) {
        let Some(slot) =
            self.slots.get_mut(id.index() as usize).filter(|slot| slot.generation.get() == id.generation())
        else {
            return;
        };
        if slot.value.is_none() {
            return;
        }
        slot.value = None;
        self.used -= 1;
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            slot.next_free = self.first_free;
            self.first_free = id.index();
        }
    }

    /// The record, unless the id is stale.
    #[must_use]
    #[inline]
    pub fn get(&self, id: Id<T>) -> Option<&T> {
        self.look();
        let slot = self.slots.get(id.index() as usize)?;
        if slot.generation.get() == id.generation() { slot.value.as_ref() } else { None }
    }

    /// The record, unless the id is stale.
    #[inline]
    pub fn get_mut(&mut self, id: Id<T>) -> Option<&mut T> {
        self.look();
        let slot = self.slots.get_mut(id.index() as usize)?;
        if slot.generation.get() == id.generation() { slot.value.as_mut() } else { None }
    }

    /// The record in a place, of any generation.
    #[must_use]
    #[inline]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.look();
        self.slots.get(index as usize)?.value.as_ref()
    }

    /// The record in a place, of any generation.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.look();
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The record in a place and its id.
    #[inline]
    pub(crate) fn entry_at(&self, index: u32) -> Option<(Id<T>, &T)> {
        self.look();
        let slot = self.slots.get(index as usize)?;
        Some((Id::of(index, slot.generation), slot.value.as_ref()?))
    }

    /// The record in a place and its id.
    #[inline]
    pub fn entry_at_mut(&mut self, index: u32) -> Option<(Id<T>, &mut T)> {
        self.look();
        let slot = self.slots.get_mut(index as usize)?;
        Some((Id::of(index, slot.generation), slot.value.as_mut()?))
    }

    /// The records in two different places.
    #[inline]
    pub fn pair_at_mut(&mut self, first: u32, second: u32) -> Option<(&mut T, &mut T)> {
        match self.slots.get_disjoint_mut([first as usize, second as usize]) {
            Ok([first, second]) => Some((first.value.as_mut()?, second.value.as_mut()?)),
            Err(_) => None,
        }
    }

    /// As [`Self::pair_at_mut`], with the id of the second.
    #[inline(always)]
    pub fn pair_and_id_at_mut(&mut self, first: u32, second: u32) -> Option<(&mut T, Id<T>, &mut T)> {
        match self.slots.get_disjoint_mut([first as usize, second as usize]) {
            Ok([first, other]) => {
                Some((first.value.as_mut()?, Id::of(second, other.generation), other.value.as_mut()?))
            }
            Err(_) => None,
        }
    }

    /// One more than the highest place ever used.
    #[must_use]
    pub const fn places(&self) -> u32 {
        self.slots.len() as u32
    }

    /// The id of the record in a place.
    #[must_use]
    #[inline]
    pub fn id_at(&self, index: u32) -> Option<Id<T>> {
        self.look();
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref().map(|_| Id::of(index, slot.generation))
    }

    /// All records, mutable.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.slots.iter_mut().filter_map(|slot| slot.value.as_mut())
    }

    /// All places, each with its record and id if occupied: for callers that must count the places they
    /// visit.
    pub fn every(&self) -> impl Iterator<Item = Option<(Id<T>, &T)>> {
        self.slots.iter().enumerate().map(|(index, slot)| {
            slot.value.as_ref().map(|value| (Id::of(index as u32, slot.generation), value))
        })
    }

    /// All records with their ids.
    pub fn iter(&self) -> impl Iterator<Item = (Id<T>, &T)> {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.value.as_ref().map(|value| (Id::of(index as u32, slot.generation), value))
        })
    }
}
