//! Capabilities of messages: hooks on this side, descriptors and handles at the kernel.

use super::client::{client_hook, ring_handle};
use super::error::from_code;
use super::handle::OwnedHandle;
use crate::local::Local;
use crate::message::{CapTable, Message};
use capnp::Result;
use capnp::private::capability::ClientHook;
use capos_abi::{CapDescriptor, ErrorCode, Handle, MAX_MESSAGE_CAPS, Rights, TransferMode};
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

/// Where `hook` finally leads.
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

/// Replaces promises by what they lead to.
pub(super) async fn settle(capabilities: &mut CapTable) -> Result<()> {
    for capability in capabilities.iter_mut() {
        if let Some(hook) = capability.take() {
            *capability = Some(settled(hook).await?);
        }
    }
    Ok(())
}

/// Writes the descriptors of settled capabilities beside `message`; objects of this process are exported.
/// Returns their badges.
#[inline]
pub(super) fn encode(
    local: &Local,
    message: &mut Message,
    capabilities: &[Option<Box<dyn ClientHook>>],
) -> Result<Vec<u64>> {
    let mut exported = Vec::new();
    if capabilities.is_empty() {
        return Ok(exported);
    }
    if capabilities.len() > MAX_MESSAGE_CAPS as usize {
        return Err(from_code(ErrorCode::BadCapabilityList));
    }
    for (index, capability) in capabilities.iter().enumerate() {
        let descriptor = match capability {
            None => CapDescriptor::default(),
            Some(hook) => match ring_handle(&**hook) {
                Some(handle) => CapDescriptor {
                    handle: handle.0,
                    badge: 0,
                    rights: Rights::all().bits(),
                    mode: TransferMode::Copy as u32,
                },
                None => {
                    let (endpoint, badge) = local.servers.export(local, hook.add_ref()).map_err(from_code)?;
                    exported.push(badge);
                    CapDescriptor {
                        handle: endpoint.0,
                        badge,
                        rights: CLIENT_RIGHTS.bits(),
                        mode: TransferMode::Mint as u32,
                    }
                }
            },
        };
        message.set_descriptor(index, descriptor);
    }
    Ok(exported)
}

/// The first `count` capabilities that came with `message`.
#[inline(always)]
pub(super) fn decode(message: &Message, count: u32) -> CapTable {
    if count == 0 { CapTable::new() } else { decode_some(message, count) }
}

fn decode_some(message: &Message, count: u32) -> CapTable {
    let handle =
        |&handle: &u64| (handle != 0).then(|| client_hook(Rc::new(OwnedHandle::new(Handle(handle)))));
    message.handles(count as usize).iter().map(handle).collect()
}
