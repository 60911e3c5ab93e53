//! Whether tables, tree and counts agree with each other.

use super::{CapSpace, table::SlotState};
use crate::NONE;
use capos_abi::Rights;

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
        for (process, table) in self.tables.iter().enumerate() {
            let Some(table) = table else { continue };
            let mut used = self
                .badges
                .iter()
                .filter(|(_, badge)| badge.is_paid_by(process as u32, table.serial))
                .count();
            let mut tombstones = 0;
            for (index, slot) in table.slots.iter().enumerate() {
                used += usize::from(!matches!(slot.state, SlotState::Free(_)));
                tombstones += u32::from(slot.state == SlotState::Revoked);
                if let SlotState::Used(node) = slot.state {
                    used_slots += 1;
                    let back = self.nodes.at(node).map(|node| (node.process as usize, node.slot as usize));
                    if back != Some((process, index)) {
                        return Err("a slot and its node do not name each other");
                    }
                }
            }
            if used != table.used as usize || tombstones != table.tombstones || table.used > table.limit {
                return Err("a table's counts are wrong");
            }
        }
        if used_slots == self.nodes.len() { Ok(()) } else { Err("there are nodes without a slot") }
    }

    pub(super) fn check_tree(&self) -> Result<(), &'static str> {
        let mut below = 0i64;
        for (id, node) in self.nodes.iter() {
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
        }
        if below == 0 { Ok(()) } else { Err("a capability is not among its parent's children") }
    }

    fn check_objects(&self) -> Result<(), &'static str> {
        for (id, object) in self.objects.iter() {
            let nodes = || self.nodes.iter().filter(|(_, node)| node.object == id);
            let receivers = nodes().filter(|(_, node)| node.rights.contains(Rights::RECEIVE)).count();
            // Pins count as references too.
            if nodes().count() > object.references as usize || receivers != object.receivers as usize {
                return Err("an object's counts are wrong");
            }
            let known = |node: &super::Node| {
                !node.rights.contains(Rights::RECEIVE) || object.receiver.may_be(node.process)
            };
            if !nodes().all(|(_, node)| known(node)) {
                return Err("an object does not know who receives from it");
            }
        }
        if self.nodes.iter().all(|(_, node)| self.objects.get(node.object).is_some()) {
            Ok(())
        } else {
            Err("a capability leads to an object that is gone")
        }
    }

    fn check_badges(&self) -> Result<(), &'static str> {
        for (id, badge) in self.badges.iter() {
            let count = self.nodes.iter().filter(|(_, node)| node.badge_record == id.index()).count();
            if count != badge.count as usize || badge.dropped != (count == 0) {
                return Err("a badge's count is wrong");
            }
            let listed = self.objects.get(badge.object).is_some_and(|object| {
                object.badges.iter().any(|&(value, record)| value == badge.badge && record == id.index())
            });
            if !listed {
                return Err("a badge is not on its endpoint's list");
            }
        }
        Ok(())
    }
}
