//! Clients of capabilities in the table, and of objects of this process.

use super::call::Target;
use super::handle::OwnedHandle;
use super::promise::when_resolved;
use super::request::{forward, new_request};
use crate::local;
use capnp::capability::{FromClientHook, FromServer, Params, Promise, Request, Results, Server};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use capos_abi::Handle;
use std::any::Any;
use std::rc::Rc;

/// The brand of clients whose `get_ptr` is a handle, as encoded by [`handle_to_pointer`].
static RING_BRAND: u8 = 0;

fn ring_brand() -> usize {
    (&raw const RING_BRAND) as usize
}

/// The handle behind `hook`, if it is a capability in this process's table.
pub(super) fn ring_handle(hook: &dyn ClientHook) -> Option<Handle> {
    (hook.get_brand() == ring_brand()).then(|| handle_from_pointer(hook.get_ptr()))
}

/// Encodes a handle as an odd number, which cannot be an object's address.
fn handle_to_pointer(handle: Handle) -> usize {
    // There are far fewer slots, so a higher index names nothing, like the null handle.
    let handle = if handle.index() >> 31 == 0 { handle } else { Handle::NULL };
    (u64::from(handle.generation()) << 32 | u64::from(handle.index()) << 1 | 1) as usize
}

fn handle_from_pointer(pointer: usize) -> Handle {
    let pointer = pointer as u64;
    Handle::new(pointer as u32 >> 1, (pointer >> 32) as u32)
}

/// A client hook for a capability in the table.
pub(super) fn client_hook(handle: Rc<OwnedHandle>) -> Box<dyn ClientHook> {
    Box::new(RingClient(handle))
}

/// A client of `handle` that does not own it.
pub(crate) fn borrowed_client<C: FromClientHook>(handle: Handle) -> C {
    C::new(client_hook(Rc::new(OwnedHandle::borrowed(handle))))
}

struct RingClient(Rc<OwnedHandle>);

impl ClientHook for RingClient {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        client_hook(self.0.clone())
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        _size_hint: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        new_request(Target::Ring(self.0.clone()), interface, method)
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        forward(self, interface, method, params, results)
    }

    fn get_brand(&self) -> usize {
        ring_brand()
    }

    fn get_ptr(&self) -> usize {
        handle_to_pointer(self.0.get())
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::ok(())
    }
}

/// A client of `server`, an implementation of a generated `Server` trait. Sent in a message, it becomes a
/// capability through which other processes call the server; when the last of those and every client here is
/// gone, the server is dropped.
pub fn serve<C, S>(server: S) -> C
where
    C: FromServer<S>,
    S: 'static,
{
    serve_rc(Rc::new(server))
}

/// Like [`serve`], for a server that the caller continues to use.
pub fn serve_rc<C, S>(server: Rc<S>) -> C
where
    C: FromServer<S>,
    S: 'static,
{
    C::new(Box::new(LocalClient { dispatch: C::from_server(server.clone()), server }))
}

/// The server behind `client`, if [`serve`] or [`serve_rc`] created it on this thread from an `S`. It may have been
/// in another process meanwhile: clients of this thread's objects that come back in messages refer to the objects
/// themselves.
#[must_use]
pub fn local_server<S: 'static, C: FromClientHook>(client: &C) -> Option<Rc<S>> {
    let mut resolved = client.as_client_hook().get_resolved();
    while let Some(next) = resolved.as_ref().and_then(|hook| hook.get_resolved()) {
        resolved = Some(next);
    }
    let hook = resolved.as_deref().unwrap_or(client.as_client_hook());
    let asked = &local::current().asked_server;
    asked.set(Asked::Anyone);
    hook.get_ptr();
    match asked.take() {
        Asked::Found(server) => server.downcast().ok(),
        Asked::Nobody | Asked::Anyone => None,
    }
}

/// Side channel by which [`local_server`] obtains a hook's server: the hook's trait has no method for it, so
/// another one is used.
#[derive(Default)]
pub(crate) enum Asked {
    #[default]
    Nobody,
    Anyone,
    Found(Rc<dyn Any>),
}

struct LocalClient<D> {
    dispatch: D,
    server: Rc<dyn Any>,
}

impl<D: Server + Clone + 'static> ClientHook for LocalClient<D> {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self { dispatch: self.dispatch.clone(), server: self.server.clone() })
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        _size_hint: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        new_request(Target::Hook(self.add_ref()), interface, method)
    }

    fn call(
        &self,
        interface: u64,
        method: u16,
        params: Box<dyn ParamsHook>,
        results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        self.dispatch
            .clone()
            .dispatch_call(interface, method, Params::new(params), Results::new(results))
            .promise
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        if let Some(asked) = local::try_current().map(|local| &local.asked_server)
            && let Asked::Anyone = asked.take()
        {
            asked.set(Asked::Found(self.server.clone()));
        }
        self.dispatch.as_ptr()
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        when_resolved(self)
    }
}
