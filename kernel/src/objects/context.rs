//! The environment of a method.

use super::{cap_table::CapTable, failure::Failure, message::Answer};
use crate::{kernel::Kernel, system::process::ProcessId};
use capnp::{Word, capability::FromClientHook, traits::HasTypeId};
use capos_abi::{CapDescriptor, ErrorCode, Handle, Rights};
use capos_kernel_core::{
    arena::Id,
    caps::{Node, ObjectKind},
    ipc::{ObjectCall, QueueId},
};

/// A call being served.
pub(super) struct Context<'a> {
    pub(super) kernel: &'a mut Kernel,
    pub(super) call: &'a ObjectCall,
    /// Its capability list.
    pub(super) caps: &'a [CapDescriptor],
    /// Address of the copy of the parameters.
    pub(super) parameters_at: usize,
    /// Markers for the capability list.
    pub(super) table: &'a CapTable,
    /// Buffer for the results.
    pub(super) results: &'a mut [Word],
}

impl Context<'_> {
    /// Checks that interface `C` is called.
    pub(super) fn expect_interface<C: HasTypeId>(&self) -> Result<(), Failure> {
        if self.call.interface == C::TYPE_ID { Ok(()) } else { Err(Failure::UNIMPLEMENTED) }
    }

    /// Checks that the capability has these rights.
    pub(super) fn require(&self, rights: Rights) -> Result<(), Failure> {
        if self.call.rights.contains(rights) { Ok(()) } else { Err(Failure::code(ErrorCode::MissingRights)) }
    }

    /// Gives the caller a capability for a new object, which is lost if there is no room.
    pub(super) fn give(&mut self, kind: ObjectKind, payload: u64, rights: Rights) -> Result<Handle, Failure> {
        super::give(self.kernel, self.call.caller.process, kind, payload, rights)
    }

    /// Lets the call wait in a queue, with a note for the code that continues it.
    pub(super) fn suspend(&mut self, queue: QueueId, note: u64) -> Result<Answer, Failure> {
        self.kernel.ipc.suspend(&mut self.kernel.system, self.call, queue, note);
        Ok(Answer::Later)
    }

    /// The process that an object such as `VirtualMemory` belongs to.
    pub(super) fn target(&self) -> ProcessId {
        Id::unpack(self.call.payload)
    }

    /// The calling process.
    pub(super) fn caller(&self) -> Result<ProcessId, Failure> {
        self.kernel.system.process_id(self.call.caller.process).ok_or(Failure::ENDED)
    }

    /// The capability named by a parameter, which must refer to this kind of object with these rights.
    pub(super) fn lent(
        &mut self,
        client: impl FromClientHook,
        kind: ObjectKind,
        rights: Rights,
    ) -> Result<Node, Failure> {
        let index = client.into_client_hook().get_ptr();
        let descriptor = self.caps.get(index).ok_or(Failure::code(ErrorCode::BadCapabilityList))?;
        let process = self.call.caller.process;
        let node = self.kernel.ipc.caps.lend(process, descriptor)?;
        let node = node.ok_or(Failure::code(ErrorCode::BadCapabilityList))?;
        if node.kind != kind {
            return Err(Failure::failed("a capability is of the wrong interface"));
        }
        if node.rights.contains(rights) { Ok(node) } else { Err(Failure::code(ErrorCode::MissingRights)) }
    }
}
