//! Capability tables, the derivation tree, and the objects that capabilities lead to.
//!
//! A capability is a *node* of the tree and stands in one *slot* of one process's table. Copies are children of what
//! they were copied from. Releasing a capability hands its children to its parent; revoking one
//! deletes everything below it.
//!
//! Handing over takes the same time however many children there are: the node of a released capability with several
//! children stays between them and its parent, as a *ghost* in no table, until one child is left. So there are always fewer
//! ghosts than capabilities.

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
}

/// Something that capabilities lead to.
pub struct Object {
    kind: ObjectKind,
    payload: u64,
    /// Nodes that lead here, and pins.
    references: u32,
    /// Nodes with the RECEIVE right.
    receivers: u32,
    /// The process that receives them.
    receiver: Receiver,
    /// It had receivers and has none any more, or is about to go.
    deaf: bool,
    /// Badge records by badge.
    badges: BadgeIndex,
    /// Of these, those minted by processes that cannot receive from it.
    foreign_badges: u32,
    /// Badge records whose last capability is gone and whose server does not know yet.
    dropped: badges::Dropped,
}

/// Which process holds the nodes of an object that have the RECEIVE right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Receiver {
    Nobody,
    Only(u32),
    /// More than one process does, or did.
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

/// Names an object.
pub type ObjectId = Id<Object>;

/// One capability.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Where it leads.
    pub object: ObjectId,
    /// The kind of that object.
    pub kind: ObjectKind,
    /// The binary's name for the object.
    pub payload: u64,
    /// The operations that the capability permits.
    pub rights: Rights,
    /// Its badge, if it was minted, else 0.
    pub badge: u64,
    badge_record: u32,
    process: u32,
    slot: u32,
    parent: u32,
    first_child: u32,
    next_sibling: u32,
    previous_sibling: u32,
    /// It has changed tables, so operations under way through it may be any thread's.
    moved: bool,
    state: NodeState,
    /// Revocations under way that stand here, or that revoke what is below. The node stays for them.
    holds: u32,
}

/// Names a capability by its place in the tree.
pub(crate) type NodeId = Id<Node>;

/// The things that ended with a capability.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
#[must_use]
pub struct Lost {
    /// The capability was the last reference to this object, which no longer exists.
    pub object: Option<(ObjectKind, u64)>,
    /// It was the last one that could receive from this endpoint.
    pub deaf_endpoint: Option<u64>,
    /// It was the last one with its badge on this endpoint, whose server is to be told.
    pub badge_on: Option<u64>,
}

/// All capabilities of all processes.
pub struct CapSpace {
    nodes: Arena<Node>,
    /// Nodes that stand in a table.
    capabilities: u32,
    tables: Vec<Option<Table>>,
    objects: Arena<Object>,
    badges: Arena<Badge>,
    /// Records of dropped badges that no server will ask for.
    forgotten: badges::Dropped,
    /// How many badges are dropped, those included.
    dropped: u32,
    next_serial: u64,
    next_revocation: u64,
}

/// The most capabilities in the system; a bound on the kernel's memory beside the budgets.
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

    /// How many capabilities there are.
    #[must_use]
    pub const fn capability_count(&self) -> u32 {
        self.capabilities
    }

    /// How many records of nodes, objects and badges there are together.
    pub(crate) const fn record_count(&self) -> u32 {
        self.nodes.len() + self.objects.len() + self.badges.len()
    }

    /// How many records of nodes, objects and badges there are.
    #[cfg(test)]
    pub(crate) const fn records(&self) -> [u32; 3] {
        [self.nodes.len(), self.objects.len(), self.badges.len()]
    }

    /// How often any of these records was looked for.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> u64 {
        self.nodes.looks() + self.objects.looks() + self.badges.looks()
    }

    /// The capability that a handle names, if it has at least the rights `needed`.
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

    /// A new object that nothing leads to yet. Give it a capability or a pin, else it stays for ever.
    ///
    /// # Errors
    /// When memory is used up.
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

    /// Gives up a pin, or removes an object that never got a capability.
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
            // Its last capability with a badge is gone, so all its records are of dropped badges.
            self.forget_dropped(id);
            if let Some(object) = self.objects.remove(id) {
                lost.object = Some((object.kind, object.payload));
            }
        }
    }

    /// A capability to `object` that derives from no other.
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

    /// A new object and a first capability to it.
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

    /// A copy of a capability within its table, with no more than `rights`, derived from it.
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

    /// A client capability with `badge` of an endpoint, within the table, derived from `handle`.
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

    /// Whether an endpoint object can still be received from.
    #[must_use]
    pub fn has_receivers(&self, object: ObjectId) -> bool {
        self.objects.get(object).is_some_and(|object| object.receivers > 0)
    }

    /// The badge of `client`, a capability to make calls on the endpoint that `endpoint` receives from. Both are in the
    /// table of `process`.
    ///
    /// # Errors
    /// Those of [`Self::lookup`] for either, `InvalidArgument` if `endpoint` is none, `NotFound` if `client` leads
    /// elsewhere.
    pub fn identify(&self, process: u32, endpoint: Handle, client: Handle) -> Result<u64, ErrorCode> {
        let (_, own) = self.lookup(process, endpoint, Rights::RECEIVE)?;
        if own.kind != ObjectKind::Endpoint {
            return Err(ErrorCode::InvalidArgument);
        }
        let (_, client) = self.lookup(process, client, Rights::CALL)?;
        if client.object == own.object { Ok(client.badge) } else { Err(ErrorCode::NotFound) }
    }

    /// Whether a capability leads to an endpoint that `process` may be receiving from. Never wrongly `false`.
    fn leads_back_to(&self, process: u32, node: &Node) -> bool {
        node.kind == ObjectKind::Endpoint
            && self.objects.get(node.object).is_some_and(|object| object.receiver.may_be(process))
    }

    fn node(&self, index: u32) -> Option<&Node> {
        self.nodes.at(index)
    }

    /// As [`Self::lookup_id`], for the short way, which leaves errors to the long one.
    #[inline(always)]
    pub(crate) fn find(&self, process: u32, handle: Handle) -> Option<(NodeId, &Node)> {
        let &Slot { generation, state } = self.table(process)?.slots.get(handle.index() as usize)?;
        match state {
            SlotState::Used(node) if generation == handle.generation() => self.nodes.entry_at(node),
            _ => None,
        }
    }

    /// The capability that a handle names, with the id of its node.
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

    /// The same capability for another slot, with no more than `rights`.
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
