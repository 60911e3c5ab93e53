//! Transferring capabilities from one table to another, all or none.
//!
//! First everything is checked and space is reserved, so that the handles are known and can be written to the
//! receiver's memory. If that succeeded, nothing can fail any more and the transfer is committed.

use super::{CapSpace, Node};
use capos_abi::{CapDescriptor, ErrorCode, Handle, MAX_MESSAGE_CAPS, Rights, TransferMode};

/// The reason that a capability list was refused, and which side caused it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferError {
    /// The list contains a capability that the sender does not have or may not transfer that way.
    Sender(ErrorCode),
    /// The receiver's table is full.
    ReceiverFull,
}

/// The checked content of a descriptor.
enum Item {
    Null,
    Copy { node: u32, rights: Rights },
    Move { node: u32, rights: Rights },
    Mint { node: u32, rights: Rights, badge: u64 },
}

impl CapSpace {
    fn item(&self, from: u32, descriptor: &CapDescriptor) -> Result<Item, ErrorCode> {
        let mode = TransferMode::from_raw(descriptor.mode).ok_or(ErrorCode::BadCapabilityList)?;
        let handle = Handle(descriptor.handle);
        let rights = Rights::from_bits_truncate(descriptor.rights);
        if mode != TransferMode::Mint && descriptor.badge != 0 {
            return Err(ErrorCode::BadCapabilityList);
        }
        if handle.is_null() {
            return Ok(Item::Null);
        }
        let needed = match mode {
            TransferMode::Copy => Rights::TRANSFER,
            TransferMode::Move => Rights::empty(),
            TransferMode::Mint => Rights::MINT,
        };
        let (node, _) = self.lookup(from, handle, needed).map_err(|error| match error {
            ErrorCode::BadCapability => ErrorCode::BadCapabilityList,
            other => other,
        })?;
        Ok(match mode {
            TransferMode::Copy => Item::Copy { node, rights },
            TransferMode::Move => Item::Move { node, rights },
            TransferMode::Mint => Item::Mint { node, rights, badge: descriptor.badge },
        })
    }

    /// Checks a capability list and reserves space; `handles` (as long as the list) receives the handles that the
    /// receiver will get. Must be followed by [`Self::commit_transfer`] or [`Self::abort_transfer`].
    ///
    /// # Errors
    /// See [`TransferError`]; nothing is reserved then.
    pub fn begin_transfer(
        &mut self,
        from: u32,
        to: u32,
        list: &[CapDescriptor],
        handles: &mut [u64],
    ) -> Result<(), TransferError> {
        let list_error = TransferError::Sender(ErrorCode::BadCapabilityList);
        if list.len() > MAX_MESSAGE_CAPS as usize || handles.len() != list.len() {
            return Err(list_error);
        }
        let mut needed = 0;
        for (position, descriptor) in list.iter().enumerate() {
            match self.item(from, descriptor).map_err(TransferError::Sender)? {
                Item::Null => continue,
                Item::Move { node, rights } => {
                    let again = |(other, entry): (usize, &CapDescriptor)| {
                        other != position && entry.handle == descriptor.handle
                    };
                    if list.iter().enumerate().any(again) {
                        return Err(list_error);
                    }
                    // An endpoint must not lose its last receiver because the right is given up in a
                    // transfer.
                    if let Some(node) = self.node(node)
                        && node.rights.contains(Rights::RECEIVE)
                        && !rights.contains(Rights::RECEIVE)
                    {
                        return Err(TransferError::Sender(ErrorCode::MissingRights));
                    }
                }
                Item::Copy { .. } | Item::Mint { .. } => {}
            }
            needed += 1;
        }
        if needed > self.room(to) {
            return Err(TransferError::ReceiverFull);
        }
        self.nodes.reserve(needed).map_err(|_| TransferError::ReceiverFull)?;
        for position in 0..list.len() {
            if let Err(error) = self.set_aside(from, to, &list[position], &mut handles[position]) {
                handles[position..].fill(0);
                self.abort_transfer(from, to, list, handles);
                return Err(error);
            }
        }
        Ok(())
    }

    fn set_aside(
        &mut self,
        from: u32,
        to: u32,
        descriptor: &CapDescriptor,
        handle: &mut u64,
    ) -> Result<(), TransferError> {
        *handle = 0;
        match self.item(from, descriptor).map_err(TransferError::Sender)? {
            Item::Null => return Ok(()),
            Item::Mint { node, badge, .. } => {
                if let Some(&source) = self.node(node) {
                    self.reserve_badge(from, &source, badge).map_err(TransferError::Sender)?;
                }
            }
            Item::Copy { .. } | Item::Move { .. } => {}
        }
        match self.reserve_slot(to) {
            Ok(reserved) => {
                *handle = reserved.0;
                Ok(())
            }
            Err(_) => {
                self.discard_mint(from, descriptor);
                Err(TransferError::ReceiverFull)
            }
        }
    }

    fn discard_mint(&mut self, from: u32, descriptor: &CapDescriptor) {
        if let Ok(Item::Mint { node, badge, .. }) = self.item(from, descriptor)
            && let Some(object) = self.node(node).map(|node| node.object)
        {
            self.discard_unused_badge(object, badge);
        }
    }

    /// Frees what [`Self::begin_transfer`] reserved.
    pub fn abort_transfer(&mut self, from: u32, to: u32, list: &[CapDescriptor], handles: &[u64]) {
        for (descriptor, &handle) in list.iter().zip(handles).filter(|(_, handle)| **handle != 0) {
            if let Some(table) = self.table_mut(to) {
                table.free(Handle(handle).index());
            }
            self.discard_mint(from, descriptor);
        }
    }

    /// Carries out what [`Self::begin_transfer`] prepared. Returns whether any of the capabilities refers to an
    /// endpoint from which `to` may be receiving.
    pub fn commit_transfer(&mut self, from: u32, to: u32, list: &[CapDescriptor], handles: &[u64]) -> bool {
        let mut leads_back = false;
        for (descriptor, &handle) in list.iter().zip(handles) {
            let handle = Handle(handle);
            let item = self.item(from, descriptor);
            if let Ok(Item::Copy { node, .. } | Item::Move { node, .. } | Item::Mint { node, .. }) = item
                && let Some(source) = self.node(node)
            {
                leads_back |= self.leads_back_to(to, source);
            }
            match item {
                Ok(Item::Copy { node, rights }) => {
                    if let Some(&source) = self.node(node) {
                        self.place(source.copy_for(to, handle, rights), node);
                    }
                }
                Ok(Item::Move { node, rights }) => self.relocate(node, to, handle, rights),
                Ok(Item::Mint { node, rights, badge }) => {
                    if let Some(&source) = self.node(node) {
                        self.place_minted(&source, node, to, handle, rights, badge, from);
                    }
                }
                Ok(Item::Null) | Err(_) => {}
            }
        }
        leads_back
    }

    /// Checks a list whose capabilities are lent to the kernel or not used at all: each entry must refer to a
    /// capability, but nothing is copied, so the rights required for copying are not needed.
    ///
    /// # Errors
    /// `BadCapabilityList`, or `Revoked`.
    pub fn check_list(&self, from: u32, list: &[CapDescriptor]) -> Result<(), ErrorCode> {
        list.iter().try_for_each(|descriptor| match self.item(from, descriptor) {
            Ok(_) | Err(ErrorCode::MissingRights) => Ok(()),
            Err(error) => Err(error),
        })
    }

    /// The capability that a descriptor lends to the kernel without moving it, for
    /// objects served by the kernel. `None` for a null capability.
    ///
    /// # Errors
    /// `BadCapabilityList`, or those of [`Self::lookup`].
    pub fn lend(&self, from: u32, descriptor: &CapDescriptor) -> Result<Option<Node>, ErrorCode> {
        if descriptor.mode == TransferMode::Mint as u32 {
            return Err(ErrorCode::BadCapabilityList);
        }
        let (node, rights) = match self.item(from, descriptor) {
            Ok(Item::Null) => return Ok(None),
            Ok(Item::Copy { node, rights } | Item::Move { node, rights }) => (node, rights),
            Ok(Item::Mint { .. }) => return Err(ErrorCode::BadCapabilityList),
            // What stays with the kernel is not copied to another process.
            Err(ErrorCode::MissingRights) => {
                let (node, _) = self.lookup(from, Handle(descriptor.handle), Rights::empty())?;
                (node, Rights::from_bits_truncate(descriptor.rights))
            }
            Err(error) => return Err(error),
        };
        Ok(self.node(node).map(|node| Node { rights: node.rights.intersection(rights), ..*node }))
    }
}
