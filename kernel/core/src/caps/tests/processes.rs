//! The capability space and its model side by side.

use super::{model::*, *};
use crate::caps::{Lost, ObjectId};

#[derive(Clone, Debug)]
pub(super) enum Step {
    Create(u32, u8),
    Derive(usize, u8),
    Mint(usize, u64),
    Release(usize),
    Revoke(usize),
    Identify(usize, usize),
    Transfer(usize, u32, u32, u64, u8),
    TransferTwo(usize, usize, u32, u32),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
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

pub(super) struct Processes {
    pub(super) caps: CapSpace,
    pub(super) model: Model,
    objects: Vec<ObjectId>,
    /// Revocations in progress.
    pub(super) ongoing: Vec<Ongoing>,
    /// The process whose table is being closed.
    pub(super) closing: Option<u32>,
}

impl Processes {
    pub(super) fn new() -> Self {
        let mut caps = CapSpace::new();
        for process in 0..PROCESSES {
            caps.open_table(process, LIMIT).unwrap();
        }
        Self { caps, model: Model::default(), objects: Vec::new(), ongoing: Vec::new(), closing: None }
    }

    /// A capability of a process that is not ending.
    pub(super) fn pick(&self, index: usize) -> Option<usize> {
        let usable = |&(_, entry): &(usize, &Entry)| Some(entry.process) != self.closing;
        let alive: Vec<usize> = self.model.alive().filter(usable).map(|(index, _)| index).collect();
        (!alive.is_empty()).then(|| alive[index % alive.len()])
    }

    fn add(&mut self, from: usize, process: u32, handle: Handle, rights: Rights, badge: Option<u64>) {
        let object = self.model.entries[from].object;
        let badge = badge.or(self.model.entries[from].badge);
        let number = self.model.entries.len();
        for ongoing in &mut self.ongoing {
            if ongoing.root == from || ongoing.doomed.contains(&from) {
                ongoing.doomed.insert(number);
            }
        }
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

    pub(super) fn run(&mut self, step: &Step) {
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
            // The other table may contain something else at this handle, or nothing.
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
            // Space is made by giving up slots of revoked capabilities, never by exceeding the limit.
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

    pub(super) fn check_lost(&self, entry: &Entry, lost: Lost) {
        let others = self.model.alive().any(|(_, other)| other.object == entry.object);
        assert_eq!(lost.object.is_some(), !others);
        let receivers = self.model.receivers(entry.object);
        let was_receiver = entry.rights.contains(Rights::RECEIVE);
        assert_eq!(lost.deaf_endpoint.is_some(), was_receiver && receivers == 0);
        let last = entry.badge.is_some_and(|badge| self.model.clients(entry.object, badge) == 0);
        assert_eq!(lost.badge_on.is_some(), last && receivers > 0);
    }

    pub(super) fn check(&self) {
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
