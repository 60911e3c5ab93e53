//! Receiving and answering calls.

use super::capabilities::{CLIENT_RIGHTS, decode, encode};
use super::error::{from_code, to_code, to_text};
use super::executor::TaskId;
use super::grant::{GrantError, find_grant};
use super::handle::OwnedHandle;
use super::incoming::{Incoming, IncomingRef};
use super::operation::{Answer, Contents};
use super::remote::DOORBELL_BADGE;
use super::{endpoint, remote};
use crate::local::{self, Local};
use crate::message::{Message, Received};
use capnp::capability::{FromClientHook, Promise};
use capnp::private::capability::ClientHook;
use capnp::traits::HasTypeId;
use capnp::{Error, Result};
use capos_abi::{CompletionEntry, CompletionKind, ErrorCode, Handle};
use capos_schema::endpoint_capnp;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Bits of a badge for the object's index in the table; the rest is a serial number, so that a late
/// notification about a badge never affects another object.
const INDEX_BITS: u32 = 24;

/// The servers of one thread.
#[derive(Default)]
pub(crate) struct Servers {
    endpoints: RefCell<Slab<Served>>,
    /// The endpoint for objects that are sent in messages, once it exists.
    own: Cell<Option<usize>>,
    objects: RefCell<Slab<(u64, Rc<dyn ClientHook>)>>,
    exports: Cell<u64>,
    /// Tasks of calls that could not be answered at once, by reply token.
    calls: RefCell<BTreeMap<u64, TaskId>>,
}

struct Served {
    handle: OwnedHandle,
    /// The object behind every badge, on an endpoint granted by the manifest.
    object: Option<Rc<dyn ClientHook>>,
}

impl Servers {
    /// Stops serving and drops every object.
    pub(crate) fn clear(&self) {
        self.own.set(None);
        let (endpoints, objects) = (self.endpoints.take(), self.objects.take());
        drop((endpoints, objects));
    }

    fn own_endpoint(&self, local: &Local) -> std::result::Result<Handle, ErrorCode> {
        if let Some(served) =
            self.own.get().and_then(|own| self.endpoints.borrow().get(own).map(|s| s.handle.get()))
        {
            return Ok(served);
        }
        let handle = endpoint::create()?;
        self.own.set(Some(self.serve(local, OwnedHandle::new(handle), None)));
        Ok(handle)
    }

    fn serve(&self, local: &Local, handle: OwnedHandle, object: Option<Rc<dyn ClientHook>>) -> usize {
        let raw = handle.get();
        let index = self.endpoints.borrow_mut().insert(Served { handle, object });
        local.operations.receive(local, index, raw);
        index
    }

    /// Makes `object` reachable from outside. Returns the endpoint and the badge to mint with. Each time it is
    /// sent it gets another badge, which is removed when the kernel reports it as dropped.
    pub(super) fn export(
        &self,
        local: &Local,
        object: Box<dyn ClientHook>,
    ) -> std::result::Result<(Handle, u64), ErrorCode> {
        let endpoint = self.own_endpoint(local)?;
        let serial = self.exports.get() + 1;
        self.exports.set(serial);
        let mut objects = self.objects.borrow_mut();
        let entry = objects.vacant_entry();
        let badge = serial << INDEX_BITS | entry.key() as u64;
        entry.insert((badge, object.into()));
        Ok((endpoint, badge))
    }

    /// Drops the object behind `badge`.
    pub(super) fn forget(&self, badge: u64) {
        let index = (badge & ((1 << INDEX_BITS) - 1)) as usize;
        let mut objects = self.objects.borrow_mut();
        if objects.get(index).is_some_and(|(known, _)| *known == badge) {
            let object = objects.remove(index);
            drop(objects);
            drop(object);
        }
    }

    /// A handle that other threads call to wake this one.
    pub(super) fn doorbell(&self, local: &Local) -> std::result::Result<Handle, ErrorCode> {
        endpoint::mint(self.own_endpoint(local)?, DOORBELL_BADGE, CLIENT_RIGHTS)
    }

    fn object(&self, endpoint: usize, badge: u64) -> Option<Rc<dyn ClientHook>> {
        if let Some(object) = &self.endpoints.borrow().get(endpoint)?.object {
            return Some(object.clone());
        }
        let index = (badge & ((1 << INDEX_BITS) - 1)) as usize;
        match self.objects.borrow().get(index) {
            Some((known, object)) if *known == badge => Some(object.clone()),
            _ => None,
        }
    }

    /// The object of this thread behind `client`, if there is one.
    pub(super) fn object_behind(&self, client: Handle) -> Option<Box<dyn ClientHook>> {
        let handles = self.endpoints.borrow();
        let (endpoint, badge) = handles.iter().find_map(|(endpoint, served)| {
            endpoint::identify(served.handle.get(), client).ok().map(|badge| (endpoint, badge))
        })?;
        drop(handles);
        self.object(endpoint, badge).map(|object| object.add_ref())
    }

    /// `endpoint` is gone or was revoked, so nothing more will be received from it.
    pub(super) fn ended(&self, endpoint: usize) {
        let served = self.endpoints.borrow_mut().try_remove(endpoint);
        if self.own.get() == Some(endpoint) {
            self.own.set(None);
        }
        drop(served);
    }

    /// Processes a completed RECV on `endpoint`.
    pub(super) fn received(
        &self,
        local: &Local,
        endpoint: usize,
        message: Message,
        completion: &CompletionEntry,
    ) {
        match CompletionKind::from_raw(completion.kind) {
            Some(CompletionKind::Call) => self.called(local, endpoint, message, completion),
            Some(CompletionKind::BadgeDropped) if self.own.get() == Some(endpoint) => {
                self.forget(completion.badge)
            }
            Some(CompletionKind::CallCancelled) => {
                let task = self.calls.borrow_mut().remove(&completion.token);
                if let Some(task) = task {
                    local.executor.abort(task);
                }
            }
            _ => {}
        }
    }

    #[inline]
    fn called(&self, local: &Local, endpoint: usize, mut message: Message, completion: &CompletionEntry) {
        let token = completion.token;
        message.note_foreign(completion.length);
        let capabilities = decode(local, &message, completion);
        if self.own.get() == Some(endpoint) && completion.badge == remote::DOORBELL_BADGE {
            // The received capabilities are dropped with it.
            let answer = Answer { sent: 0, ..Answer::apart(message, 0, capabilities, Vec::new()) };
            return local.operations.answer(local, token, answer);
        }
        let Some(object) = self.object(endpoint, completion.badge) else {
            return local.operations.throw(local, token, ErrorCode::Disconnected, "the object is gone");
        };
        let params = match Received::foreign(message, completion.length, capabilities) {
            Ok(params) => params,
            Err(error) => return local.operations.throw(local, token, ErrorCode::Failed, &to_text(&error)),
        };
        let (params, results, incoming) = Incoming::begin(params);
        let mut promise = object.call(completion.interface, completion.method, params, results);
        // Most methods complete at the first poll, and then need no task.
        match Pin::new(&mut promise).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => finish(local, token, outcome, incoming),
            Poll::Pending => {
                let task = local.executor.spawn(Box::pin(answer_later(token, promise, incoming)));
                self.calls.borrow_mut().insert(token, task);
            }
        }
    }
}

async fn answer_later(token: u64, promise: Promise<(), Error>, incoming: IncomingRef) {
    let outcome = promise.await;
    let local = local::current();
    local.servers.calls.borrow_mut().remove(&token);
    finish(local, token, outcome, incoming);
}

/// Answers the call `token`.
fn finish(local: &Local, token: u64, outcome: Result<()>, mut incoming: IncomingRef) {
    let built = outcome.and_then(|()| {
        let built = incoming.with_results(|message, capabilities| {
            let length = message.finish().ok_or_else(|| from_code(ErrorCode::MessageTooLarge))?;
            if capabilities.iter().flatten().any(|hook| hook.when_more_resolved().is_some()) {
                return Ok((length, None));
            }
            let exported = encode(local, message, capabilities)?;
            let stands = (message.address(), message.descriptors_address(), capabilities.len(), exported);
            Ok((length, Some(stands)))
        });
        built.unwrap_or_else(|| Err(Error::failed("the server kept the results".into())))
    });
    match built {
        Ok((length, Some((address, descriptors, sent, exported)))) => {
            let contents = Contents::Incoming(incoming);
            let answer = Answer { address, descriptors, length, sent, exported, contents };
            local.operations.answer(local, token, answer);
        }
        Ok((length, None)) => answer_settled(local, token, length, incoming),
        Err(error) => local.operations.throw(local, token, to_code(&error), &to_text(&error)),
    }
}

/// Answers the call `token` once the promises among its results are resolved.
#[cold]
fn answer_settled(local: &Local, token: u64, length: u32, incoming: IncomingRef) {
    let Some((mut message, mut capabilities)) = incoming.take_results() else { return };
    local.executor.spawn(Box::pin(async move {
        let local = local::current();
        let settled = super::capabilities::settle(&mut capabilities).await;
        match settled.and_then(|()| encode(local, &mut message, &capabilities)) {
            Ok(exported) => {
                let answer = Answer::apart(message, length, capabilities, exported);
                local.operations.answer(local, token, answer);
            }
            Err(error) => local.operations.throw(local, token, to_code(&error), &to_text(&error)),
        }
    }));
}

/// Answers every call on the endpoint granted as `name` with `client`.
///
/// # Errors
/// If there is no such grant, or it is not an endpoint.
pub fn serve_export<C: FromClientHook>(name: &str, client: C) -> std::result::Result<(), GrantError> {
    let handle = find_grant(name, endpoint_capnp::endpoint::Client::TYPE_ID)?;
    let local = local::current();
    local.servers.serve(local, OwnedHandle::borrowed(handle), Some(client.into_client_hook().into()));
    Ok(())
}
