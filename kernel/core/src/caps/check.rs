//! Whether tables, tree and counts agree with each other.

use super::{CapSpace, NodeState, table::SlotState};
use crate::NONE;
use alloc::vec::Vec;
use capos_abi::Rights;

/// Counts by place, for a record each.
struct Counts(Vec<u32>);

impl Counts {
    fn new(places: u32) -> Result<Self, &'static str> {
        let mut counts = Vec::new();
        counts.try_reserve_exact(places as usize).map_err(|_| "there is no memory to check with")?;
        counts.resize(places as usize, 0);
        Ok(Self(counts))
    }

    fn add(&mut self, place: u32) {
        if let Some(count) = self.0.get_mut(place as usize) {
            *count += 1;
        }
    }

    fn of(&self, place: u32) -> u32 {
        self.0.get(place as usize).copied().unwrap_or(0)
    }
}

impl CapSpace {
    /// The first disagreement found, if any. Walks everything.
    ///
    /// # Errors
    /// What does not agree.
    pub fn check(&self) -> Result<(), &'static str> {
        self.check_tables()?;
        self.check_tree()?;
        self.check_objects()?;
        self.check_badges()
    }

    fn check_tables(&self) -> Result<(), &'static str> {
        let mut used_slots = 0;
        let mut paid = Counts::new(self.tables.len() as u32)?;
        for (_, badge) in self.badges.iter() {
            let payer = badge.payer();
            if self.table(payer).is_some_and(|table| badge.is_paid_by(payer, table.serial)) {
                paid.add(payer);
            }
        }
        for (process, table) in self.tables.iter().enumerate() {
            let Some(table) = table else { continue };
            let mut used = paid.of(process as u32);
            let mut tombstones = 0;
            for (index, slot) in table.slots.iter().enumerate() {
                used += u32::from(!matches!(slot.state, SlotState::Free(_)));
                tombstones += u32::from(matches!(slot.state, SlotState::Revoked { .. }));
                if let SlotState::Used(node) = slot.state {
                    used_slots += 1;
                    let back = self.nodes.at(node).map(|node| (node.process as usize, node.slot as usize));
                    if back != Some((process, index)) {
                        return Err("a slot and its node do not name each other");
                    }
                }
            }
            if used != table.used || tombstones != table.tombstones || table.used > table.limit {
                return Err("a table's counts are wrong");
            }
            if !table.has_sound_lists() {
                return Err("a table's lists of slots are wrong");
            }
        }
        let live = self.nodes.iter().filter(|(_, node)| node.state == NodeState::Live).count();
        if used_slots == live && live == self.capabilities as usize {
            Ok(())
        } else {
            Err("there are nodes without a slot")
        }
    }

    pub(super) fn check_tree(&self) -> Result<(), &'static str> {
        let mut below = 0i64;
        for (id, node) in self.nodes.iter() {
            if node.state == NodeState::Revoked {
                if node.parent != NONE || node.first_child != NONE {
                    return Err("a revoked capability is in the tree");
                }
                continue;
            }
            below += i64::from(node.parent != NONE);
            if let Some(parent) = self.nodes.at(node.parent) {
                if parent.object != node.object {
                    return Err("a capability derives from one to another object");
                }
            } else if node.parent != NONE {
                return Err("a capability derives from one that is gone");
            } else if node.previous_sibling != NONE || node.next_sibling != NONE {
                return Err("a root of the tree has siblings");
            }
            let (mut previous, mut child, mut steps) = (NONE, node.first_child, 0);
            while let Some(record) = self.nodes.at(child) {
                if record.parent != id.index() || record.previous_sibling != previous {
                    return Err("links between parent and children are wrong");
                }
                steps += 1;
                if steps > self.nodes.len() {
                    return Err("siblings form a circle");
                }
                (previous, child) = (child, record.next_sibling);
                below -= 1;
            }
            if child != NONE {
                return Err("a list of siblings ends nowhere");
            }
            if node.state == NodeState::Ghost && node.holds == 0 && steps < 2 {
                return Err("a ghost is not needed");
            }
        }
        if below == 0 { Ok(()) } else { Err("a capability is not among its parent's children") }
    }

    fn check_objects(&self) -> Result<(), &'static str> {
        let mut all = Counts::new(self.objects.places())?;
        let mut receiving = Counts::new(self.objects.places())?;
        for (_, node) in self.nodes.iter().filter(|(_, node)| node.state == NodeState::Live) {
            let Some(object) = self.objects.get(node.object) else {
                return Err("a capability leads to an object that is gone");
            };
            all.add(node.object.index());
            if node.rights.contains(Rights::RECEIVE) {
                receiving.add(node.object.index());
                if !object.receiver.may_be(node.process) {
                    return Err("an object does not know who receives from it");
                }
            }
        }
        for (id, object) in self.objects.iter() {
            // Pins count as references too.
            if all.of(id.index()) > object.references || receiving.of(id.index()) != object.receivers {
                return Err("an object's counts are wrong");
            }
        }
        Ok(())
    }

    fn check_badges(&self) -> Result<(), &'static str> {
        let mut counts = Counts::new(self.badges.places())?;
        let mut records = Counts::new(self.objects.places())?;
        let mut branches = Counts::new(self.objects.places())?;
        for (_, node) in self.nodes.iter().filter(|(_, node)| node.state == NodeState::Live) {
            counts.add(node.badge_record);
        }
        let mut listed = self.listed(self.forgotten)?;
        for (_, object) in self.objects.iter() {
            listed += self.listed(object.dropped)?;
        }
        for (id, badge) in self.badges.iter() {
            let count = counts.of(id.index());
            if count != badge.count || badge.dropped != (count == 0) {
                return Err("a badge's count is wrong");
            }
            listed = listed.checked_sub(usize::from(badge.dropped)).ok_or("a dropped badge is on no list")?;
            match self.objects.get(badge.object) {
                Some(object) if object.badges.find(&self.badges, badge.badge) == id.index() => {
                    records.add(badge.object.index());
                    if badge.branch.is_used() {
                        branches.add(badge.object.index());
                    }
                }
                Some(_) => return Err("a badge is not in its endpoint's index"),
                None if !badge.dropped => return Err("a badge belongs to an object that is gone"),
                None => {}
            }
        }
        // An index of as many badges has one branch fewer.
        if self.objects.iter().any(|(id, _)| {
            let id = id.index();
            records.of(id) != branches.of(id) + u32::from(records.of(id) > 0)
        }) {
            return Err("an index of badges has stray branches");
        }
        if listed == 0 { Ok(()) } else { Err("a dropped badge is on two lists") }
    }
}
