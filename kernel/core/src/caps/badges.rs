//! Counts the client capabilities of each badge of each endpoint, so that a server learns when the last one is
//! gone.

use super::{CapSpace, Node, ObjectId, badge_index::Branch};
use crate::{
    NONE,
    walk::{Flaw, Walk},
    work::Work,
};
use capos_abi::{ErrorCode, Handle, Rights};

/// The most badge records of one endpoint that were minted by processes without its RECEIVE right. Such a process
/// stops paying when it ends, but its records remain until the server has read the notification. The limit
/// therefore bounds the unpaid records and the notifications that a server receives for badges it did not mint.
pub(super) const MAX_FOREIGN_BADGES: u32 = 1024;

/// A badge of an endpoint.
pub(super) struct Badge {
    pub(super) object: ObjectId,
    pub(super) badge: u64,
    /// Number of capabilities with the badge.
    pub(super) count: u32,
    /// The process that first minted it, and the serial number of its table: its budget is charged for this
    /// record.
    payer: u32,
    payer_serial: u64,
    /// Whether it was minted by a process without the RECEIVE right for the endpoint.
    foreign: bool,
    /// Whether its last capability is gone. The record is then in its object's list, or in the list of forgotten ones if
    /// the object has no receiver or is gone.
    pub(super) dropped: bool,
    next: u32,
    previous: u32,
    /// A branch of the object's index.
    pub(super) branch: Branch,
}

/// A list of badges whose last capability is gone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    first: u32,
    last: u32,
}

impl Dropped {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };
}

impl Badge {
    pub(super) const fn payer(&self) -> u32 {
        self.payer
    }

    pub(super) const fn is_paid_by(&self, process: u32, serial: u64) -> bool {
        self.payer == process && self.payer_serial == serial
    }
}

impl CapSpace {
    /// Ensures that minting `badge` of the object that `source` refers to cannot fail: its record exists and is
    /// charged to `process`. [`Self::discard_unused_badge`] removes the record again if it is not used.
    pub(super) fn reserve_badge(&mut self, process: u32, source: &Node, badge: u64) -> Result<(), ErrorCode> {
        let id = source.object;
        let object = self.objects.get(id).ok_or(ErrorCode::BadCapability)?;
        if object.badges.find(&self.badges, badge) != NONE {
            return Ok(());
        }
        let foreign = !source.rights.contains(Rights::RECEIVE);
        if foreign && object.foreign_badges >= MAX_FOREIGN_BADGES {
            return Err(ErrorCode::BudgetExceeded);
        }
        self.badges.reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        // The capability itself also needs a slot, in this table or another; only the record is charged here.
        let table = self.table_mut(process).ok_or(ErrorCode::BadCapability)?;
        if table.used >= table.limit {
            return Err(ErrorCode::BudgetExceeded);
        }
        table.used += 1;
        let serial = table.serial;
        let record = Badge {
            object: id,
            badge,
            count: 0,
            payer: process,
            payer_serial: serial,
            foreign,
            dropped: false,
            next: NONE,
            previous: NONE,
            branch: Branch::UNUSED,
        };
        if let Ok(record) = self.badges.insert(record)
            && let Some(object) = self.objects.get_mut(id)
        {
            object.badges.insert(&mut self.badges, record.index());
            object.foreign_badges += u32::from(foreign);
        }
        Ok(())
    }

    fn badge_record(&self, id: ObjectId, badge: u64) -> u32 {
        self.objects.get(id).map_or(NONE, |object| object.badges.find(&self.badges, badge))
    }

    /// Undoes a [`Self::reserve_badge`] after which nothing was minted.
    pub(super) fn discard_unused_badge(&mut self, id: ObjectId, badge: u64) {
        let record = self.badge_record(id, badge);
        if self.badges.at(record).is_some_and(|record| record.count == 0 && !record.dropped) {
            self.remove_badge(record);
        }
    }

    /// Inserts a client capability below the node of `source`; its record was reserved.
    #[expect(clippy::too_many_arguments, reason = "what, below what, where, how: each once")]
    pub(super) fn place_minted(
        &mut self,
        source: &Node,
        parent: u32,
        process: u32,
        handle: Handle,
        rights: Rights,
        badge: u64,
        payer: u32,
    ) {
        let record = self.badge_record(source.object, badge);
        if self.badges.at(record).is_some_and(|record| record.dropped) {
            // The badge was minted again before the server read that it had been dropped, so there is nothing
            // to report.
            self.unqueue(record);
            self.charge(record, payer);
        }
        let mut node = source.copy_for(process, handle, Rights::empty());
        node.rights = rights.intersection(Rights::CALL.union(Rights::TRANSFER));
        (node.badge, node.badge_record) = (badge, record);
        self.place(node, parent);
    }

    /// A record that already has a payer keeps it. Only a payer that is gone is replaced, if the budget allows.
    fn charge(&mut self, record: u32, payer: u32) {
        let Some(badge) = self.badges.at(record) else { return };
        if self.table(badge.payer).is_some_and(|table| table.serial == badge.payer_serial) {
            return;
        }
        if let Some(table) = self.table_mut(payer).filter(|table| table.used < table.limit) {
            table.used += 1;
            let serial = table.serial;
            if let Some(badge) = self.badges.at_mut(record) {
                (badge.payer, badge.payer_serial) = (payer, serial);
            }
        }
    }

    /// Subtracts one capability. `true` if it was the last one and the server is to be notified.
    pub(super) fn uncount_badge(&mut self, record: u32, id: ObjectId) -> bool {
        let Some(badge) = self.badges.at_mut(record) else { return false };
        badge.count -= 1;
        if badge.count > 0 {
            return false;
        }
        let Some(object) = self.objects.get_mut(id).filter(|object| object.receivers > 0 && !object.deaf)
        else {
            self.remove_badge(record);
            return false;
        };
        let last = core::mem::replace(&mut object.dropped.last, record);
        if last == NONE {
            object.dropped.first = record;
        }
        if let Some(badge) = self.badges.at_mut(record) {
            (badge.dropped, badge.previous, badge.next) = (true, last, NONE);
            self.dropped += 1;
        }
        if let Some(last) = self.badges.at_mut(last) {
            last.next = record;
        }
        true
    }

    /// The badge whose notification has been pending longest at an endpoint. It is removed from the list.
    #[inline(always)]
    pub fn take_dropped_badge(&mut self, id: ObjectId) -> Option<u64> {
        let record = self.objects.get(id)?.dropped.first;
        if record == NONE { None } else { self.take_dropped_record(record) }
    }

    /// Whether a badge notification is pending for an endpoint.
    #[inline(always)]
    pub(crate) fn has_dropped_badge(&self, id: ObjectId) -> bool {
        self.dropped != 0 && self.objects.get(id).is_some_and(|object| object.dropped.first != NONE)
    }

    #[cold]
    fn take_dropped_record(&mut self, record: u32) -> Option<u64> {
        let badge = self.badges.at(record)?.badge;
        self.remove_badge(record);
        Some(badge)
    }

    /// Removes the record of a dropped badge from its list.
    fn unqueue(&mut self, record: u32) {
        let Some(badge) = self.badges.at_mut(record).filter(|badge| badge.dropped) else { return };
        badge.dropped = false;
        self.dropped -= 1;
        let (next, previous, id) = (badge.next, badge.previous, badge.object);
        let list = match self.objects.get_mut(id).filter(|object| !object.deaf) {
            Some(object) => &mut object.dropped,
            None => &mut self.forgotten,
        };
        match self.badges.at_mut(next) {
            Some(badge) => badge.previous = previous,
            None => list.last = previous,
        }
        match self.badges.at_mut(previous) {
            Some(badge) => badge.next = next,
            None => list.first = next,
        }
    }

    fn remove_badge(&mut self, record: u32) {
        self.unqueue(record);
        let Some(id) = self.badges.id_at(record) else { return };
        let Some((object, foreign)) = self.badges.at(record).map(|badge| (badge.object, badge.foreign))
        else {
            return;
        };
        if let Some(object) = self.objects.get_mut(object) {
            object.badges.remove(&mut self.badges, record);
            object.foreign_badges -= u32::from(foreign);
        }
        let Some(badge) = self.badges.remove(id) else { return };
        if let Some(table) = self.table_mut(badge.payer).filter(|table| table.serial == badge.payer_serial) {
            table.used -= 1;
        }
    }

    /// The dropped badges of an object will not be read any more; their records are freed by
    /// [`Self::forget_badges_step`].
    pub(super) fn forget_dropped(&mut self, id: ObjectId) {
        let Some(object) = self.objects.get_mut(id) else { return };
        object.deaf = true;
        let list = core::mem::replace(&mut object.dropped, Dropped::EMPTY);
        if list.first == NONE {
            return;
        }
        let last = core::mem::replace(&mut self.forgotten.last, list.last);
        match self.badges.at_mut(last) {
            Some(last) => last.next = list.first,
            None => self.forgotten.first = list.first,
        }
        if let Some(first) = self.badges.at_mut(list.first) {
            first.previous = last;
        }
    }

    /// The first record of a badge that no server will read, or [`NONE`].
    pub(crate) const fn first_forgotten_badge(&self) -> u32 {
        self.forgotten.first
    }

    const fn has_forgotten_badges(&self) -> bool {
        self.first_forgotten_badge() != NONE
    }

    /// Frees records of badges that no server will read; their payers' budgets are credited. Returns
    /// whether there are more.
    pub fn forget_badges_step(&mut self, work: &mut Work) -> bool {
        while self.has_forgotten_badges() && work.take() {
            self.remove_badge(self.forgotten.first);
        }
        self.has_forgotten_badges()
    }

    /// The number of badges in a list, if the list is consistent.
    pub(super) fn listed(&self, list: Dropped, walk: &mut Walk<'_>) -> Result<usize, Flaw> {
        let (mut previous, mut index, mut count) = (NONE, list.first, 0);
        while let Some(badge) = self.badges.at(index) {
            walk.look()?;
            count += 1;
            if !badge.dropped || badge.previous != previous || count > self.badges.len() as usize {
                return Err("a list of dropped badges is wrong".into());
            }
            (previous, index) = (index, badge.next);
        }
        if index == NONE && list.last == previous {
            Ok(count)
        } else {
            Err("a list of badges has no end".into())
        }
    }
}
