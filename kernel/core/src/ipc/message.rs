//! Transferring a message and its capabilities from one process to another, completely or not at all.

use super::{CopyFault, Ipc, Machine, Place};
use crate::{
    caps::TransferError,
    ring::{Incoming, Outgoing},
};
use capos_abi::{CapDescriptor, CompletionFlags, ErrorCode, MAX_MESSAGE_CAPS};
use core::hint::cold_path;

/// The reason that a message was not transferred, and which side is notified.
pub(super) enum PassError {
    /// The sender.
    Sender(ErrorCode),
    /// The receiver.
    Receiver(ErrorCode),
    /// The receiver's table is full; the caller is notified.
    ReceiverFull,
}

impl From<CopyFault> for PassError {
    fn from(fault: CopyFault) -> Self {
        match fault {
            CopyFault::Source => Self::Sender(ErrorCode::BadAddress),
            CopyFault::Destination => Self::Receiver(ErrorCode::BadAddress),
        }
    }
}

impl Ipc {
    /// Copies `send` from `sender` to the buffers of `receiver` (`recv`). Returns the flags of its completion. If
    /// the message is not transferred, nothing is written to the receiver's buffer.
    #[inline]
    pub(super) fn pass_message<M: Machine>(
        &mut self,
        machine: &mut M,
        sender: u32,
        send: Outgoing,
        receiver: u32,
        recv: Incoming,
    ) -> Result<CompletionFlags, PassError> {
        if send.length > recv.length || send.cap_count > recv.cap_count {
            cold_path();
            return Err(PassError::Sender(ErrorCode::MessageTooLarge));
        }
        if send.cap_count > 0 {
            return self.pass_with_caps(machine, sender, send, receiver, recv);
        }
        if let Err(fault) = pass_bytes(machine, sender, send, receiver, recv) {
            cold_path();
            return Err(fault.into());
        }
        Ok(CompletionFlags::empty())
    }

    #[inline(never)]
    fn pass_with_caps<M: Machine>(
        &mut self,
        machine: &mut M,
        sender: u32,
        send: Outgoing,
        receiver: u32,
        recv: Incoming,
    ) -> Result<CompletionFlags, PassError> {
        let mut descriptors = [CapDescriptor::default(); MAX_MESSAGE_CAPS as usize];
        let mut handles = [0; MAX_MESSAGE_CAPS as usize];
        let count = send.cap_count as usize;
        let (Some(list), Some(handles)) = (descriptors.get_mut(..count), handles.get_mut(..count)) else {
            return Err(PassError::Sender(ErrorCode::BadCapabilityList));
        };
        machine.read_descriptors(Place { process: sender, address: send.caps }, list)?;
        self.caps.begin_transfer(sender, receiver, list, handles).map_err(|error| match error {
            TransferError::Sender(code) => PassError::Sender(code),
            TransferError::ReceiverFull => PassError::ReceiverFull,
        })?;
        let to = Place { process: receiver, address: recv.caps };
        // The bytes are written last, because nothing can fail after that.
        let written = machine
            .write_handles(to, handles)
            .and_then(|()| pass_bytes(machine, sender, send, receiver, recv));
        if let Err(fault) = written {
            self.caps.abort_transfer(sender, receiver, list, handles);
            return Err(fault.into());
        }
        Ok(if self.caps.commit_transfer(sender, receiver, list, handles) {
            CompletionFlags::OWN_CAPABILITY
        } else {
            CompletionFlags::empty()
        })
    }
}

#[inline(always)]
fn pass_bytes<M: Machine>(
    machine: &mut M,
    sender: u32,
    send: Outgoing,
    receiver: u32,
    recv: Incoming,
) -> Result<(), CopyFault> {
    if send.length == 0 {
        return Ok(());
    }
    let from = Place { process: sender, address: send.address };
    let to = Place { process: receiver, address: recv.address };
    machine.copy(from, to, send.length)
}
