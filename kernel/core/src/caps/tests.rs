//! The capability space against a model that keeps a plain list of capabilities with their parents.

use super::{CapSpace, Move, ObjectKind, Revocation, TableStep, TransferError};
use crate::work::Work;
use capos_abi::{CapDescriptor, ErrorCode, Handle, Rights, TransferMode};
use proptest::prelude::*;
use std::{collections::HashMap, vec, vec::Vec};

const PROCESSES: u32 = 3;
const LIMIT: u32 = 12;

#[derive(Clone, Debug)]
struct Entry {
    process: u32,
    handle: Handle,
    parent: Option<usize>,
    object: usize,
    rights: Rights,
    badge: Option<u64>,
    /// `None` once gone.
    alive: bool,
    revoked: bool,
}

#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
}

impl Model {
    fn alive(&self) -> impl Iterator<Item = (usize, &Entry)> {
        self.entries.iter().enumerate().filter(|(_, entry)| entry.alive)
    }

    fn descendants(&self, root: usize) -> Vec<usize> {
        let below = |mut at: usize| {
            while let Some(parent) = self.entries[at].parent {
                if parent == root {
                    return true;
                }
                at = parent;
            }
            false
        };
        self.alive().map(|(index, _)| index).filter(|&index| below(index)).collect()
    }

    fn remove(&mut self, index: usize) {
        let parent = self.entries[index].parent;
        self.entries[index].alive = false;
        for entry in self.entries.iter_mut().filter(|entry| entry.parent == Some(index)) {
            entry.parent = parent;
        }
    }

    fn receivers(&self, object: usize) -> usize {
        self.alive().filter(|(_, e)| e.object == object && e.rights.contains(Rights::RECEIVE)).count()
    }

    fn clients(&self, object: usize, badge: u64) -> usize {
        self.alive().filter(|(_, e)| e.object == object && e.badge == Some(badge)).count()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Create(u32, u8),
    Derive(usize, u8),
    Mint(usize, u64),
    Release(usize),
    Revoke(usize),
    Identify(usize, usize),
    Transfer(usize, u32, u32, u64, u8),
    TransferTwo(usize, usize, u32, u32),
}

fn step() -> impl Strategy<Value = Step> {
    let any_index = || any::<usize>();
    prop_oneof![
        2 => (0..PROCESSES, any::<u8>()).prop_map(|(p, r)| Step::Create(p, r)),
        3 => (any_index(), any::<u8>()).prop_map(|(i, r)| Step::Derive(i, r)),
        3 => (any_index(), 0..3u64).prop_map(|(i, b)| Step::Mint(i, b)),
        3 => any_index().prop_map(Step::Release),
        1 => any_index().prop_map(Step::Revoke),
        2 => (any_index(), any_index()).prop_map(|(a, b)| Step::Identify(a, b)),
        6 => (any_index(), 0..PROCESSES, 0..4u32, 0..3u64, any::<u8>())
            .prop_map(|(i, to, mode, badge, rights)| Step::Transfer(i, to, mode, badge, rights)),
        2 => (any_index(), any_index(), 0..PROCESSES, 0..2u32)
            .prop_map(|(a, b, to, mode)| Step::TransferTwo(a, b, to, mode)),
    ]
}

struct World {
    caps: CapSpace,
    model: Model,
    objects: Vec<super::ObjectId>,
}

impl World {
    fn pick(&self, index: usize) -> Option<usize> {
        let alive: Vec<usize> = self.model.alive().map(|(index, _)| index).collect();
        (!alive.is_empty()).then(|| alive[index % alive.len()])
    }

    fn add(&mut self, from: usize, process: u32, handle: Handle, rights: Rights, badge: Option<u64>) {
        let object = self.model.entries[from].object;
        let badge = badge.or(self.model.entries[from].badge);
        self.model.entries.push(Entry {
            process,
            handle,
            parent: Some(from),
            object,
            rights,
            badge,
            alive: true,
            revoked: false,
        });
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Create(process, bits) => {
                let rights = Rights::from_bits_truncate(bits.into());
                let number = self.objects.len() as u64;
                if let Ok((handle, id)) = self.caps.insert_new(process, ObjectKind::Endpoint, number, rights)
                {
                    self.objects.push(id);
                    let object = self.objects.len() - 1;
                    self.model.entries.push(Entry {
                        process,
                        handle,
                        parent: None,
                        object,
                        rights,
                        badge: None,
                        alive: true,
                        revoked: false,
                    });
                }
            }
            Step::Derive(index, bits) => {
                let Some(index) = self.pick(index) else { return };
                let entry = self.model.entries[index].clone();
                let rights = Rights::from_bits_truncate(bits.into());
                if let Ok(handle) = self.caps.derive(entry.process, entry.handle, rights) {
                    self.add(index, entry.process, handle, rights & entry.rights, None);
                }
            }
            Step::Mint(index, badge) => {
                let Some(index) = self.pick(index) else { return };
                let entry = self.model.entries[index].clone();
                let result = self.caps.mint(entry.process, entry.handle, Rights::all(), badge);
                if !entry.rights.contains(Rights::MINT) {
                    assert_eq!(result, Err(ErrorCode::MissingRights));
                } else if let Ok(handle) = result {
                    self.add(index, entry.process, handle, Rights::CALL | Rights::TRANSFER, Some(badge));
                }
            }
            Step::Release(index) => {
                let Some(index) = self.pick(index) else { return };
                let entry = self.model.entries[index].clone();
                let lost = self.caps.release(entry.process, entry.handle).unwrap();
                self.model.remove(index);
                self.check_lost(&entry, lost);
            }
            Step::Revoke(index) => self.revoke(index),
            Step::Identify(endpoint, client) => self.identify(endpoint, client),
            Step::Transfer(index, to, mode, badge, bits) => {
                let Some(index) = self.pick(index) else { return };
                let entry = self.model.entries[index].clone();
                let badge = if mode == TransferMode::Mint as u32 { badge } else { 0 };
                let list = [CapDescriptor { handle: entry.handle.0, badge, rights: bits.into(), mode }];
                self.transfer(&[index], entry.process, to, &list);
            }
            Step::TransferTwo(first, second, to, mode) => {
                let (Some(first), Some(second)) = (self.pick(first), self.pick(second)) else { return };
                let entries = [&self.model.entries[first], &self.model.entries[second]];
                let from = entries[0].process;
                let list = entries.map(|entry| CapDescriptor {
                    handle: entry.handle.0,
                    badge: 0,
                    rights: u32::MAX,
                    mode,
                });
                if entries[1].process == from {
                    self.transfer(&[first, second], from, to, &list);
                }
            }
        }
    }

    fn identify(&self, endpoint: usize, client: usize) {
        let (Some(endpoint), Some(client)) = (self.pick(endpoint), self.pick(client)) else { return };
        let (endpoint, client) = (&self.model.entries[endpoint], &self.model.entries[client]);
        let expected = if !endpoint.rights.contains(Rights::RECEIVE) {
            Err(ErrorCode::MissingRights)
        } else if client.process != endpoint.process {
            // The other table may have something else at this handle, or nothing.
            return;
        } else if !client.rights.contains(Rights::CALL) {
            Err(ErrorCode::MissingRights)
        } else if client.object != endpoint.object {
            Err(ErrorCode::NotFound)
        } else {
            Ok(client.badge.unwrap_or(0))
        };
        assert_eq!(self.caps.identify(endpoint.process, endpoint.handle, client.handle), expected);
    }

    fn revoke(&mut self, index: usize) {
        let Some(index) = self.pick(index) else { return };
        let entry = self.model.entries[index].clone();
        let expected = self.model.descendants(index);
        let before = self.caps.capability_count();
        let mut revocation = self.caps.revoke(entry.process, entry.handle).unwrap();
        revoke_all(&mut self.caps, &mut revocation);
        assert_eq!((before - self.caps.capability_count()) as usize, expected.len());
        for index in expected {
            self.model.entries[index].alive = false;
            self.model.entries[index].revoked = true;
        }
    }

    fn transfer(&mut self, indices: &[usize], from: u32, to: u32, list: &[CapDescriptor]) {
        let mut handles = vec![0; list.len()];
        let before = (self.caps.slots_used(from), self.caps.slots_used(to));
        let begun = self.caps.begin_transfer(from, to, list, &mut handles);
        let entries: Vec<Entry> = indices.iter().map(|&index| self.model.entries[index].clone()).collect();
        let mode = TransferMode::from_raw(list[0].mode);
        let allowed =
            entries.iter().zip(list).all(|(entry, descriptor)| match mode {
                Some(TransferMode::Copy) => entry.rights.contains(Rights::TRANSFER),
                Some(TransferMode::Mint) => entry.rights.contains(Rights::MINT),
                Some(TransferMode::Move) => {
                    !entry.rights.contains(Rights::RECEIVE)
                        || Rights::from_bits_truncate(descriptor.rights).contains(Rights::RECEIVE)
                }
                None => false,
            }) && !(mode == Some(TransferMode::Move) && indices.len() == 2 && indices[0] == indices[1]);
        match begun {
            Err(TransferError::Sender(ErrorCode::BudgetExceeded)) => {
                assert_eq!(mode, Some(TransferMode::Mint));
            }
            Err(TransferError::Sender(_)) => assert!(!allowed),
            Err(TransferError::ReceiverFull) => assert!(allowed),
            Ok(()) => assert!(allowed),
        }
        if begun.is_err() {
            // Room is made by giving up slots of revoked capabilities, never by using more.
            assert!(self.caps.slots_used(from) <= before.0 && self.caps.slots_used(to) <= before.1);
            return;
        }
        if handles[0] % 5 == 4 {
            self.caps.abort_transfer(from, to, list, &handles);
            assert!(self.caps.slots_used(to) <= before.1);
            return;
        }
        let to_own_endpoint = entries.iter().any(|entry| {
            self.model.alive().any(|(_, other)| {
                other.object == entry.object && other.process == to && other.rights.contains(Rights::RECEIVE)
            })
        });
        let leads_back = self.caps.commit_transfer(from, to, list, &handles);
        assert!(leads_back || !to_own_endpoint, "who serves an object learns that it got it back");
        for ((&index, descriptor), &handle) in indices.iter().zip(list).zip(&handles) {
            let asked = Rights::from_bits_truncate(descriptor.rights);
            let handle = Handle(handle);
            match mode {
                Some(TransferMode::Move) => {
                    let entry = &mut self.model.entries[index];
                    assert_eq!(
                        self.caps.lookup(from, entry.handle, Rights::empty()).err(),
                        Some(ErrorCode::BadCapability)
                    );
                    (entry.process, entry.handle) = (to, handle);
                    entry.rights &= asked;
                }
                Some(TransferMode::Mint) => {
                    let rights = asked & (Rights::CALL | Rights::TRANSFER);
                    self.add(index, to, handle, rights, Some(descriptor.badge));
                }
                _ => {
                    let rights = asked & self.model.entries[index].rights;
                    self.add(index, to, handle, rights, None);
                }
            }
        }
    }

    fn check_lost(&self, entry: &Entry, lost: super::Lost) {
        let others = self.model.alive().any(|(_, other)| other.object == entry.object);
        assert_eq!(lost.object.is_some(), !others);
        let receivers = self.model.receivers(entry.object);
        let was_receiver = entry.rights.contains(Rights::RECEIVE);
        assert_eq!(lost.deaf_endpoint.is_some(), was_receiver && receivers == 0);
        let last = entry.badge.is_some_and(|badge| self.model.clients(entry.object, badge) == 0);
        assert_eq!(lost.badge_on.is_some(), last && receivers > 0);
    }

    fn check(&self) {
        self.caps.check().unwrap();
        assert_eq!(self.caps.capability_count() as usize, self.model.alive().count());
        for entry in &self.model.entries {
            let found = self.caps.lookup(entry.process, entry.handle, Rights::empty());
            match found {
                Ok((_, node)) => {
                    assert!(entry.alive);
                    assert_eq!(node.rights, entry.rights);
                    assert_eq!(node.payload, entry.object as u64);
                    assert_eq!(node.badge, entry.badge.unwrap_or(0));
                }
                Err(ErrorCode::Revoked) => assert!(!entry.alive && entry.revoked),
                Err(error) => {
                    assert_eq!(error, ErrorCode::BadCapability);
                    assert!(!entry.alive);
                }
            }
        }
    }
}

/// Carries out a revocation.
fn revoke_all(caps: &mut CapSpace, revocation: &mut Revocation) {
    while !matches!(caps.revoke_step(revocation), Move::Finished) {}
    while caps.end_revocation_step(revocation) {}
}

fn world() -> World {
    let mut caps = CapSpace::new();
    for process in 0..PROCESSES {
        caps.open_table(process, LIMIT).unwrap();
    }
    World { caps, model: Model::default(), objects: Vec::new() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn agrees_with_a_list(steps in proptest::collection::vec(step(), 1..120), doomed in 0..PROCESSES) {
        let mut world = world();
        for step in &steps {
            world.run(step);
            world.check();
        }
        while world.caps.close_table_step(doomed, &mut Work::step()) != TableStep::Closed {
            world.caps.check().unwrap();
        }
        while world.caps.forget_badges_step(&mut Work::of(2)) {
            world.caps.check().unwrap();
        }
        for index in 0..world.model.entries.len() {
            if world.model.entries[index].alive && world.model.entries[index].process == doomed {
                world.model.remove(index);
            }
        }
        prop_assert_eq!(world.caps.slots_used(doomed), 0);
        world.check();
        world.caps.open_table(doomed, LIMIT).unwrap();
        world.check();
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
