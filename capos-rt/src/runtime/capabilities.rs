//! Capabilities in messages: converts between client hooks and the kernel's descriptors and handles.

use super::client::{client_hook, ring_handle};
use super::error::from_code;
use super::handle::OwnedHandle;
use crate::local::Local;
use crate::message::{CapTable, Message};
use capnp::Result;
use capnp::private::capability::ClientHook;
use capos_abi::{
    CapDescriptor, CompletionEntry, CompletionFlags, ErrorCode, Handle, MAX_MESSAGE_CAPS, Rights,
    TransferMode,
};
use std::rc::Rc;

/// Rights of a client capability of an object served here.
pub(super) const CLIENT_RIGHTS: Rights = Rights::CALL.union(Rights::TRANSFER);

/// Whether no capability is a promise.
pub(super) fn are_settled(capabilities: &[Option<Box<dyn ClientHook>>]) -> bool {
    capabilities
        .iter()
        .flatten()
        .all(|hook| ring_handle(&**hook).is_some() || hook.when_more_resolved().is_none())
}

/// The final target of `hook`.
pub(super) async fn settled(mut hook: Box<dyn ClientHook>) -> Result<Box<dyn ClientHook>> {
    loop {
        if let Some(resolved) = hook.get_resolved() {
            hook = resolved;
        } else if let Some(next) = hook.when_more_resolved() {
            hook = next.await?;
        } else {
            return Ok(hook);
        }
    }
}

/// Replaces promises by their targets.
pub(super) async fn settle(capabilities: &mut CapTable) -> Result<()> {
    for capability in capabilities.iter_mut() {
        if let Some(hook) = capability.take() {
            *capability = Some(settled(hook).await?);
        }
    }
    Ok(())
}

/// Writes the descriptors of settled capabilities for `message`; objects of this process are exported.
/// Returns their badges.
#[inline(always)]
pub(super) fn encode(
    local: &Local,
    message: &mut Message,
    capabilities: &[Option<Box<dyn ClientHook>>],
) -> Result<Vec<u64>> {
    if capabilities.is_empty() { Ok(Vec::new()) } else { encode_some(local, message, capabilities) }
}

fn encode_some(
    local: &Local,
    message: &mut Message,
    capabilities: &[Option<Box<dyn ClientHook>>],
) -> Result<Vec<u64>> {
    let mut exported = Vec::new();
    if capabilities.len() > MAX_MESSAGE_CAPS as usize {
        return Err(from_code(ErrorCode::BadCapabilityList));
    }
    for (index, capability) in capabilities.iter().enumerate() {
        match descriptor(local, capability.as_deref(), &mut exported) {
            Ok(descriptor) => message.set_descriptor(index, descriptor),
            Err(code) => {
                for badge in exported {
                    local.servers.forget(badge);
                }
                return Err(from_code(code));
            }
        }
    }
    Ok(exported)
}

/// The descriptor of a capability. The badge of an object of this process is added to `exported`.
fn descriptor(
    local: &Local,
    capability: Option<&dyn ClientHook>,
    exported: &mut Vec<u64>,
) -> std::result::Result<CapDescriptor, ErrorCode> {
    let Some(hook) = capability else { return Ok(CapDescriptor::default()) };
    if let Some(handle) = ring_handle(hook) {
        let (rights, mode) = (Rights::all().bits(), TransferMode::Copy as u32);
        return Ok(CapDescriptor { handle: handle.0, badge: 0, rights, mode });
    }
    let (endpoint, badge) = local.servers.export(local, hook.add_ref())?;
    exported.push(badge);
    let (rights, mode) = (CLIENT_RIGHTS.bits(), TransferMode::Mint as u32);
    Ok(CapDescriptor { handle: endpoint.0, badge, rights, mode })
}

/// The capabilities received with `message`, as described by `completion`.
#[inline(always)]
pub(super) fn decode(local: &Local, message: &Message, completion: &CompletionEntry) -> CapTable {
    if completion.cap_count == 0 { CapTable::new() } else { decode_some(local, message, completion) }
}

/// Objects of this thread that come back become the objects themselves rather than clients of them.
fn decode_some(local: &Local, message: &Message, completion: &CompletionEntry) -> CapTable {
    let may_be_own = completion.flags & CompletionFlags::OWN_CAPABILITY.bits() != 0;
    let hook = |&handle: &u64| {
        if handle == 0 {
            return None;
        }
        let owned = OwnedHandle::new(Handle(handle));
        let object = if may_be_own { local.servers.object_behind(owned.get()) } else { None };
        Some(object.unwrap_or_else(|| client_hook(Rc::new(owned))))
    };
    message.handles(completion.cap_count as usize).iter().map(hook).collect()
}
