//! Capability tables, the derivation tree, and the objects that capabilities refer to.
//!
//! A capability is a *node* of the tree and occupies one *slot* of one process's table. A copy is a child of the
//! capability it was copied from. Releasing a capability attaches its children to its parent; revoking one deletes
//! everything below it.
//!
//! Releasing takes constant time for any number of children: the node of a released capability with several
//! children remains between them and its parent, as a *ghost* in no table, until one child is left. So there are
//! always fewer ghosts than capabilities.

use crate::{
    NONE, OutOfMemory,
    arena::{Arena, Id},
};
use alloc::vec::Vec;
use capos_abi::{ErrorCode, Handle, Rights};
use core::hint::cold_path;

mod badge_index;
mod badges;
mod check;
mod revoke;
mod table;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;

use badge_index::BadgeIndex;
use badges::Badge;
pub(crate) use revoke::Move;
use revoke::NodeState;
pub use revoke::Revocation;
pub use table::TableStep;
use table::{Slot, SlotState, Table};
pub use transfer::TransferError;

/// The kind of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is the interface of the same name in `schema/`")]
pub enum ObjectKind {
    Endpoint,
    Console,
    Timer,
    WallClock,
    EntropySource,
    VirtualMemory,
    MemoryObject,
    ProcessSpawner,
    Process,
    ThreadSpawner,
    EndpointFactory,
    Power,
    Diagnostics,
    PciBus,
    PciDevice,
    Interrupt,
    CodeFactory,
}

/// An object that capabilities refer to.
pub struct Object {
    kind: ObjectKind,
    payload: u64,
    /// Number of nodes that refer to it, plus pins.
    references: u32,
    /// Number of nodes with the RECEIVE right.
    receivers: u32,
    /// The process that has these nodes.
    receiver: Receiver,
    /// It had receivers and has none any more, or is about to be removed.
    deaf: bool,
    /// Index of its badge records.
    badges: BadgeIndex,
    /// Number of badge records minted by processes without the RECEIVE right.
    foreign_badges: u32,
    /// Badge records whose last capability is gone, of which the server has not been notified yet.
    dropped: badges::Dropped,
}

/// The process that has the nodes of an object with the RECEIVE right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiver {
    Nobody,
    Only(u32),
    /// More than one process has or had such nodes.
    Several,
}

impl Receiver {
    const fn may_be(self, process: u32) -> bool {
        match self {
            Self::Nobody => false,
            Self::Only(only) => only == process,
            Self::Several => true,
        }
    }
}

/// Identifies an object.
pub type ObjectId = Id<Object>;

/// One capability.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// The object it refers to.
    pub object: ObjectId,
    /// The kind of that object.
    pub kind: ObjectKind,
    /// The binary's identifier of the object.
    pub payload: u64,
    /// The operations that the capability permits.
    pub rights: Rights,
    /// Its badge, or 0 if it was not minted.
    pub badge: u64,
    badge_record: u32,
    process: u32,
    slot: u32,
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    /// Whether it has moved between tables, so that pending operations through it may belong to any thread.
    moved: bool,
    state: NodeState,
    /// Number of revocations whose current node or root this is. The node is kept for them.
    holds: u32,
}

/// Identifies a capability by its node.
pub(crate) type NodeId = Id<Node>;

/// The things that ended with a capability.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[must_use]
pub struct Lost {
    /// The capability was the last reference to this object, which no longer exists.
    pub object: Option<(ObjectKind, u64)>,
    /// It was the last capability with the RECEIVE right for this endpoint.
    pub deaf_endpoint: Option<u64>,
    /// It was the last one with its badge on this endpoint, whose server is to be notified.
    pub badge_on: Option<u64>,
}

/// All capabilities of all processes.
pub struct CapSpace {
    nodes: Arena<Node>,
    /// Number of nodes in a table.
    capabilities: u32,
    tables: Vec<Option<Table>>,
    objects: Arena<Object>,
    badges: Arena<Badge>,
    /// Records of dropped badges that no server will read.
    forgotten: badges::Dropped,
    /// Number of dropped badges, including those.
    dropped: u32,
    next_serial: u64,
    next_revocation: u64,
}

/// The most capabilities in the system; limits the kernel's memory in addition to the budgets.
const MAX_NODES: u32 = 1 << 20;

impl Default for CapSpace {
    fn default() -> Self {
        Self::new()
    }
}

impl CapSpace {
    /// No processes, no objects.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            nodes: Arena::new(MAX_NODES),
            capabilities: 0,
            tables: Vec::new(),
            objects: Arena::new(MAX_NODES),
            badges: Arena::new(MAX_NODES),
            forgotten: badges::Dropped::EMPTY,
            dropped: 0,
            next_serial: 0,
            next_revocation: 1,
        }
    }

    /// Number of capabilities.
    #[must_use]
    pub const fn capability_count(&self) -> u32 {
        self.capabilities
    }

    /// Total number of records of nodes, objects and badges.
    pub(crate) const fn record_count(&self) -> u32 {
        self.nodes.len() + self.objects.len() + self.badges.len()
    }

    /// Numbers of records of nodes, objects and badges.
    #[cfg(test)]
    pub(crate) const fn records(&self) -> [u32; 3] {
        [self.nodes.len(), self.objects.len(), self.badges.len()]
    }

    /// Number of lookups of these records.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.nodes.looks() + self.objects.looks() + self.badges.looks()
    }

    /// The capability that a handle refers to, if it has at least the rights `needed`.
    ///
    /// # Errors
    /// `BadCapability`, `Revoked` or `MissingRights`.
    #[inline]
    pub fn lookup(&self, process: u32, handle: Handle, needed: Rights) -> Result<(u32, &Node), ErrorCode> {
        let index = self.node_index(process, handle)?;
        let node = self.nodes.at(index).ok_or(ErrorCode::BadCapability)?;
        if node.rights.contains(needed) { Ok((index, node)) } else { Err(ErrorCode::MissingRights) }
    }

    #[inline]
    fn node_index(&self, process: u32, handle: Handle) -> Result<u32, ErrorCode> {
        let slot = self.table(process).and_then(|table| table.slots.get(handle.index() as usize));
        match slot {
            Some(&Slot { generation, state: SlotState::Used(node) }) if generation == handle.generation() => {
                Ok(node)
            }
            Some(slot)
                if slot.generation == handle.generation()
                    && matches!(slot.state, SlotState::Revoked { .. }) =>
            {
                cold_path();
                Err(ErrorCode::Revoked)
            }
            _ => {
                cold_path();
                Err(ErrorCode::BadCapability)
            }
        }
    }

    /// Creates an object without any capability. Give it a capability or a pin, otherwise it is never freed.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn create_object(&mut self, kind: ObjectKind, payload: u64) -> Result<ObjectId, OutOfMemory> {
        self.objects.insert(Object {
            kind,
            payload,
            references: 0,
            receivers: 0,
            receiver: Receiver::Nobody,
            deaf: false,
            badges: BadgeIndex::EMPTY,
            foreign_badges: 0,
            dropped: badges::Dropped::EMPTY,
        })
    }

    /// Keeps an object alive for the kernel's own use.
    pub fn pin(&mut self, object: ObjectId) {
        if let Some(object) = self.objects.get_mut(object) {
            object.references += 1;
        }
    }

    /// Removes a pin, or removes an object that never got a capability.
    pub fn unpin(&mut self, object: ObjectId) -> Lost {
        let mut lost = Lost::default();
        if let Some(record) = self.objects.get_mut(object) {
            record.references = record.references.saturating_sub(1);
            self.remove_if_unreferenced(object, &mut lost);
        }
        lost
    }

    fn remove_if_unreferenced(&mut self, id: ObjectId, lost: &mut Lost) {
        if self.objects.get(id).is_some_and(|object| object.references == 0) {
            // The last capability with each badge is gone, so all its records are of dropped badges.
            self.forget_dropped(id);
            if let Some(object) = self.objects.remove(id) {
                lost.object = Some((object.kind, object.payload));
            }
        }
    }

    /// Creates a capability for `object` that is derived from no other.
    ///
    /// # Errors
    /// `BudgetExceeded`, or `BadCapability` for an object that is gone.
    pub fn insert(&mut self, process: u32, object: ObjectId, rights: Rights) -> Result<Handle, ErrorCode> {
        let record = self.objects.get(object).ok_or(ErrorCode::BadCapability)?;
        let (kind, payload) = (record.kind, record.payload);
        self.nodes.reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        let handle = self.reserve_slot(process)?;
        let mut node = Node::unlinked(object, kind, payload, rights);
        (node.process, node.slot) = (process, handle.index());
        self.place(node, NONE);
        Ok(handle)
    }

    /// Creates an object and its first capability.
    ///
    /// # Errors
    /// `BudgetExceeded`.
    pub fn insert_new(
        &mut self,
        process: u32,
        kind: ObjectKind,
        payload: u64,
        rights: Rights,
    ) -> Result<(Handle, ObjectId), ErrorCode> {
        let object = self.create_object(kind, payload).map_err(|_| ErrorCode::BudgetExceeded)?;
        match self.insert(process, object, rights) {
            Ok(handle) => Ok((handle, object)),
            Err(error) => {
                self.objects.remove(object);
                Err(error)
            }
        }
    }

    /// Creates a copy of a capability in the same table, with at most `rights`, derived from it.
    ///
    /// # Errors
    /// Those of [`Self::lookup`], or `BudgetExceeded`.
    pub fn derive(&mut self, process: u32, handle: Handle, rights: Rights) -> Result<Handle, ErrorCode> {
        let (parent, &source) = self.lookup(process, handle, Rights::empty())?;
        self.nodes.reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        let handle = self.reserve_slot(process)?;
        self.place(source.copy_for(process, handle, rights), parent);
        Ok(handle)
    }

    /// Creates a client capability with `badge` for an endpoint in the same table, derived from `handle`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`] (it needs MINT), or `BudgetExceeded`.
    pub fn mint(
        &mut self,
        process: u32,
        handle: Handle,
        rights: Rights,
        badge: u64,
    ) -> Result<Handle, ErrorCode> {
        let (parent, &source) = self.lookup(process, handle, Rights::MINT)?;
        self.nodes.reserve(1).map_err(|_| ErrorCode::BudgetExceeded)?;
        self.reserve_badge(process, &source, badge)?;
        let handle = match self.reserve_slot(process) {
            Ok(handle) => handle,
            Err(error) => {
                self.discard_unused_badge(source.object, badge);
                return Err(error);
            }
        };
        self.place_minted(&source, parent, process, handle, rights, badge, process);
        Ok(handle)
    }

    /// Whether any capability with the RECEIVE right for an endpoint is left.
    #[must_use]
    pub fn has_receivers(&self, object: ObjectId) -> bool {
        self.objects.get(object).is_some_and(|object| object.receivers > 0)
    }

    /// The badge of `client`, a client capability of the endpoint that `endpoint` receives from. Both are in the
    /// table of `process`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`] for either, `InvalidArgument` if `endpoint` is not an endpoint, `NotFound` if
    /// `client` refers to another object.
    pub fn identify(&self, process: u32, endpoint: Handle, client: Handle) -> Result<u64, ErrorCode> {
        let (_, own) = self.lookup(process, endpoint, Rights::RECEIVE)?;
        if own.kind != ObjectKind::Endpoint {
            return Err(ErrorCode::InvalidArgument);
        }
        let (_, client) = self.lookup(process, client, Rights::CALL)?;
        if client.object == own.object { Ok(client.badge) } else { Err(ErrorCode::NotFound) }
    }

    /// Whether a capability refers to an endpoint that `process` may be receiving from. Never wrongly
    /// `false`.
    fn leads_back_to(&self, process: u32, node: &Node) -> bool {
        node.kind == ObjectKind::Endpoint
            && self.objects.get(node.object).is_some_and(|object| object.receiver.may_be(process))
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.at(index)
    }

    /// As [`Self::lookup_id`], for the fast path, which leaves errors to the general one.
    #[inline(always)]
    pub(crate) fn find(&self, process: u32, handle: Handle) -> Option<(NodeId, &Node)> {
        let &Slot { generation, state } = self.table(process)?.slots.get(handle.index() as usize)?;
        match state {
            SlotState::Used(node) if generation == handle.generation() => self.nodes.entry_at(node),
            _ => None,
        }
    }

    /// The capability that a handle refers to, and the id of its node.
    #[inline]
    pub(crate) fn lookup_id(&self, process: u32, handle: Handle) -> Result<(NodeId, &Node), ErrorCode> {
        let Some(found) = self.nodes.entry_at(self.node_index(process, handle)?) else {
            cold_path();
            return Err(ErrorCode::BadCapability);
        };
        Ok(found)
    }
}

impl Node {
    const fn unlinked(object: ObjectId, kind: ObjectKind, payload: u64, rights: Rights) -> Self {
        Self {
            object,
            kind,
            payload,
            rights,
            badge: 0,
            badge_record: NONE,
            process: NONE,
            slot: NONE,
            parent: NONE,
            first_child: NONE,
            next_sibling: NONE,
            previous_sibling: NONE,
            moved: false,
            state: NodeState::Live,
            holds: 0,
        }
    }

    /// The same capability for another slot, with at most `rights`.
    fn copy_for(&self, process: u32, handle: Handle, rights: Rights) -> Self {
        Self {
            badge: self.badge,
            badge_record: self.badge_record,
            process,
            slot: handle.index(),
            ..Self::unlinked(self.object, self.kind, self.payload, self.rights.intersection(rights))
        }
    }
}
