//! Compares the capability space with a model that keeps a plain list of capabilities with their parents.

use super::{CapSpace, Move, ObjectKind, Revocation, TableStep, TransferError, badges};
use crate::{
    walk::{Flaw, Walk},
    work::Work,
};
use capos_abi::{CapDescriptor, ErrorCode, Handle, Rights, TransferMode};
use proptest::prelude::*;
use std::{collections::HashMap, vec, vec::Vec};

const PROCESSES: u32 = 3;
const LIMIT: u32 = 12;

mod growth;
mod model;
mod processes;
mod steps;

use processes::{Processes, step};

impl CapSpace {
    /// The first inconsistency, if any. Visits everything.
    fn check(&self) -> Result<(), &'static str> {
        let walk = &mut Walk::new(&|| true);
        let parts = [Self::check_tables, Self::check_tree, Self::check_objects, Self::check_badges];
        parts.iter().try_for_each(|part| part(self, walk)).map_err(Flaw::text)
    }
}

/// Carries out a revocation.
fn revoke_all(caps: &mut CapSpace, revocation: &mut Revocation) {
    while !matches!(caps.revoke_step(revocation), Move::Finished) {}
    while caps.end_revocation_step(revocation) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn agrees_with_a_list(steps in proptest::collection::vec(step(), 1..120), doomed in 0..PROCESSES) {
        let mut processes = Processes::new();
        for step in &steps {
            processes.run(step);
            processes.check();
        }
        while processes.caps.close_table_step(doomed, &mut Work::step()) != TableStep::Closed {
            processes.caps.check().unwrap();
        }
        while processes.caps.forget_badges_step(&mut Work::of(2)) {
            processes.caps.check().unwrap();
        }
        for index in 0..processes.model.entries.len() {
            if processes.model.entries[index].alive && processes.model.entries[index].process == doomed {
                processes.model.remove(index);
            }
        }
        prop_assert_eq!(processes.caps.slots_used(doomed), 0);
        processes.check();
        processes.caps.open_table(doomed, LIMIT).unwrap();
        processes.check();
    }

    #[test]
    fn every_end_of_a_badge_is_told_once(steps in proptest::collection::vec((0..4u8, 0..3u64), 1..80)) {
        let mut caps = CapSpace::new();
        caps.open_table(0, 40).unwrap();
        let (server, object) =
            caps.insert_new(0, ObjectKind::Endpoint, 9, Rights::RECEIVE | Rights::MINT).unwrap();
        let mut clients: HashMap<u64, Vec<Handle>> = HashMap::new();
        let mut owed: Vec<u64> = Vec::new();
        for (action, badge) in steps {
            let list = clients.entry(badge).or_default();
            match action {
                0 | 1 => if let Ok(handle) = caps.mint(0, server, Rights::all(), badge) {
                    list.push(handle);
                    owed.retain(|&other| other != badge);
                },
                2 => if let Some(handle) = list.pop() {
                    let lost = caps.release(0, handle).unwrap();
                    prop_assert_eq!(lost.badge_on, list.is_empty().then_some(9));
                    if list.is_empty() {
                        owed.push(badge);
                    }
                },
                _ => {
                    let expected = if owed.is_empty() { None } else { Some(owed.remove(0)) };
                    prop_assert_eq!(caps.take_dropped_badge(object), expected);
                }
            }
            caps.check().unwrap();
        }
    }
}

#[test]
fn a_table_full_of_revoked_capabilities_can_be_used_again() {
    let mut caps = CapSpace::new();
    caps.open_table(0, 2).unwrap();
    caps.open_table(1, 2).unwrap();
    let (root, _) = caps.insert_new(0, ObjectKind::Console, 0, Rights::all()).unwrap();
    let list = [CapDescriptor { handle: root.0, badge: 0, rights: u32::MAX, mode: 0 }; 2];
    let mut handles = [0; 2];
    caps.begin_transfer(0, 1, &list, &mut handles).unwrap();
    caps.commit_transfer(0, 1, &list, &handles);
    let mut revocation = caps.revoke(0, root).unwrap();
    revoke_all(&mut caps, &mut revocation);
    assert_eq!(caps.lookup(1, Handle(handles[0]), Rights::empty()).err(), Some(ErrorCode::Revoked));
    let mut again = [0; 2];
    caps.begin_transfer(0, 1, &list, &mut again).unwrap();
    caps.commit_transfer(0, 1, &list, &again);
    assert_eq!(caps.lookup(1, Handle(handles[0]), Rights::empty()).err(), Some(ErrorCode::BadCapability));
    assert!(caps.lookup(1, Handle(again[0]), Rights::empty()).is_ok());
    caps.check().unwrap();
}

/// A process that may mint badges of another's endpoint, but not receive from it, can use only a limited
/// number of records.
#[test]
fn badges_that_nobody_pays_for_have_a_bound() {
    let mut caps = CapSpace::new();
    caps.open_table(0, 16).unwrap();
    let (server, object) = caps.insert_new(0, ObjectKind::Endpoint, 0, Rights::all()).unwrap();
    let mut badge = 0;
    let mut fill = |caps: &mut CapSpace| {
        caps.open_table(1, 1 << 16).unwrap();
        let rights = Rights::MINT | Rights::CALL;
        let list = [CapDescriptor { handle: server.0, badge: 0, rights: rights.bits(), mode: 0 }];
        let mut handles = [0];
        caps.begin_transfer(0, 1, &list, &mut handles).unwrap();
        caps.commit_transfer(0, 1, &list, &handles);
        let mut made = 0;
        let refused = loop {
            badge += 1;
            match caps.mint(1, Handle(handles[0]), Rights::all(), badge) {
                Ok(_) => made += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refused, ErrorCode::BudgetExceeded);
        // The process ends; its badges wait for the server and are charged to nobody.
        while caps.close_table_step(1, &mut Work::step()) != TableStep::Closed {}
        caps.check().unwrap();
        made
    };
    assert_eq!(fill(&mut caps), badges::MAX_FOREIGN_BADGES);
    assert_eq!(fill(&mut caps), 0, "until the server has heard of some");
    for _ in 0..10 {
        assert!(caps.take_dropped_badge(object).is_some());
    }
    assert_eq!(fill(&mut caps), 10);
    // The limit does not apply to the server's own badges.
    assert!(caps.mint(0, server, Rights::all(), u64::MAX).is_ok());
}
