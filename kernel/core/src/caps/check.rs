//! Consistency check of tables, tree and counts.

use super::{CapSpace, NodeState, table::SlotState};
use crate::{
    NONE,
    walk::{Counts, Flaw, Walk},
};
use capos_abi::Rights;

impl CapSpace {
    /// Whether the tables and their slots are consistent with the capabilities.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check_tables(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut used_slots = 0;
        let mut paid = Counts::<u32>::new(self.tables.len() as u32, walk)?;
        for badge in self.badges.every() {
            walk.look()?;
            let Some((_, badge)) = badge else { continue };
            let payer = badge.payer();
            if self.table(payer).is_some_and(|table| badge.is_paid_by(payer, table.serial)) {
                paid.add(payer);
            }
        }
        for (process, table) in self.tables.iter().enumerate() {
            walk.look()?;
            let Some(table) = table else { continue };
            let mut used = paid.of(process as u32);
            let mut tombstones = 0;
            for (index, slot) in table.slots.iter().enumerate() {
                walk.look()?;
                used += u32::from(!matches!(slot.state, SlotState::Free(_)));
                tombstones += u32::from(matches!(slot.state, SlotState::Revoked { .. }));
                if let SlotState::Used(node) = slot.state {
                    used_slots += 1;
                    let back = self.nodes.at(node).map(|node| (node.process as usize, node.slot as usize));
                    if back != Some((process, index)) {
                        return Err("a slot and its node do not refer to each other".into());
                    }
                }
            }
            if used != table.used || tombstones != table.tombstones || table.used > table.limit {
                return Err("a table's counts are wrong".into());
            }
            table.check_lists(walk)?;
        }
        let mut live = 0;
        walk.over(self.nodes.every(), |node| {
            live += usize::from(node.is_some_and(|(_, node)| node.state == NodeState::Live));
            Ok(())
        })?;
        if used_slots == live && live == self.capabilities as usize {
            Ok(())
        } else {
            Err("there are nodes without a slot".into())
        }
    }

    /// Whether the derivation tree is well-formed.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check_tree(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut below = 0i64;
        for node in self.nodes.every() {
            walk.look()?;
            let Some((id, node)) = node else { continue };
            if node.state == NodeState::Revoked {
                if node.parent != NONE || node.first_child != NONE {
                    return Err("a revoked capability is in the tree".into());
                }
                continue;
            }
            below += i64::from(node.parent != NONE);
            if let Some(parent) = self.nodes.at(node.parent) {
                if parent.object != node.object {
                    return Err("a capability derives from one to another object".into());
                }
            } else if node.parent != NONE {
                return Err("a capability derives from one that is gone".into());
            } else if node.previous_sibling != NONE || node.next_sibling != NONE {
                return Err("a root of the tree has siblings".into());
            }
            let (mut previous, mut child, mut steps) = (NONE, node.first_child, 0);
            while let Some(record) = self.nodes.at(child) {
                walk.look()?;
                if record.parent != id.index() || record.previous_sibling != previous {
                    return Err("links between parent and children are wrong".into());
                }
                steps += 1;
                if steps > self.nodes.len() {
                    return Err("siblings form a cycle".into());
                }
                (previous, child) = (child, record.next_sibling);
                below -= 1;
            }
            if child != NONE {
                return Err("a list of siblings has no end".into());
            }
            if node.state == NodeState::Ghost && node.holds == 0 && steps < 2 {
                return Err("a ghost is not needed".into());
            }
        }
        if below == 0 { Ok(()) } else { Err("a capability is not among its parent's children".into()) }
    }

    /// Whether the objects' reference counts are correct.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check_objects(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut all = Counts::<u32>::new(self.objects.places(), walk)?;
        let mut receiving = Counts::<u32>::new(self.objects.places(), walk)?;
        for node in self.nodes.every() {
            walk.look()?;
            let Some((_, node)) = node.filter(|(_, node)| node.state == NodeState::Live) else { continue };
            let Some(object) = self.objects.get(node.object) else {
                return Err("a capability refers to an object that is gone".into());
            };
            all.add(node.object.index());
            if node.rights.contains(Rights::RECEIVE) {
                receiving.add(node.object.index());
                if !object.receiver.may_be(node.process) {
                    return Err("an object's receiver count is wrong".into());
                }
            }
        }
        for object in self.objects.every() {
            walk.look()?;
            let Some((id, object)) = object else { continue };
            // Pins count as references too.
            if all.of(id.index()) > object.references || receiving.of(id.index()) != object.receivers {
                return Err("an object's counts are wrong".into());
            }
        }
        Ok(())
    }

    /// Whether the badges' counts and the indexes are correct.
    ///
    /// # Errors
    /// The first inconsistency found.
    pub fn check_badges(&self, walk: &mut Walk<'_>) -> Result<(), Flaw> {
        let mut counts = Counts::<u32>::new(self.badges.places(), walk)?;
        let mut records = Counts::<u32>::new(self.objects.places(), walk)?;
        let mut branches = Counts::<u32>::new(self.objects.places(), walk)?;
        walk.over(self.nodes.every(), |node| {
            if let Some((_, node)) = node.filter(|(_, node)| node.state == NodeState::Live) {
                counts.add(node.badge_record);
            }
            Ok(())
        })?;
        let mut listed = self.listed(self.forgotten, walk)?;
        for object in self.objects.every() {
            walk.look()?;
            if let Some((_, object)) = object {
                listed += self.listed(object.dropped, walk)?;
            }
        }
        if listed != self.dropped as usize {
            return Err("the count of dropped badges is wrong".into());
        }
        for badge in self.badges.every() {
            walk.look()?;
            let Some((id, badge)) = badge else { continue };
            let count = counts.of(id.index());
            if count != badge.count || badge.dropped != (count == 0) {
                return Err("a badge's count is wrong".into());
            }
            listed = listed.checked_sub(usize::from(badge.dropped)).ok_or("a dropped badge is in no list")?;
            match self.objects.get(badge.object) {
                Some(object) if object.badges.find(&self.badges, badge.badge) == id.index() => {
                    records.add(badge.object.index());
                    if badge.branch.is_used() {
                        branches.add(badge.object.index());
                    }
                }
                Some(_) => return Err("a badge is not in its endpoint's index".into()),
                None if !badge.dropped => return Err("a badge belongs to an object that is gone".into()),
                None => {}
            }
        }
        // An index has one branch fewer than badges.
        walk.over(0..self.objects.places(), |id| {
            let is_sound = records.of(id) == branches.of(id) + u32::from(records.of(id) > 0);
            if is_sound { Ok(()) } else { Err("an index of badges has stray branches".into()) }
        })?;
        if listed == 0 { Ok(()) } else { Err("a dropped badge is in two lists".into()) }
    }
}
