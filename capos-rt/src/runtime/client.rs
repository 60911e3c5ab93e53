//! Clients of capabilities in the table, and of objects of this process.

use super::handle::OwnedHandle;
use super::promise::when_resolved;
use super::request::{Target, forward, new_request};
use capnp::capability::{FromClientHook, FromServer, Params, Promise, Request, Results, Server};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, any_pointer};
use capos_abi::Handle;
use std::rc::Rc;

/// The brand of clients whose `get_ptr` is a handle.
static RING_BRAND: u8 = 0;

fn ring_brand() -> usize {
    (&raw const RING_BRAND) as usize
}

/// The handle behind `hook`, if it is a capability in this process's table.
pub(super) fn ring_handle(hook: &dyn ClientHook) -> Option<Handle> {
    (hook.get_brand() == ring_brand()).then(|| Handle(hook.get_ptr() as u64))
}

/// A client hook of a capability in the table.
pub(super) fn client_hook(handle: Rc<OwnedHandle>) -> Box<dyn ClientHook> {
    Box::new(RingClient(handle))
}

/// A client of `handle` that leaves releasing it to someone else.
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
        self.0.get().0 as usize
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
/// capability through which other processes call the server; when the last of those is gone, and every
/// client here, the server is dropped.
pub fn serve<C, S>(server: S) -> C
where
    C: FromServer<S>,
{
    serve_rc(Rc::new(server))
}

/// As [`serve`], for a server that the caller goes on using.
pub fn serve_rc<C, S>(server: Rc<S>) -> C
where
    C: FromServer<S>,
{
    C::new(Box::new(LocalClient(C::from_server(server))))
}

struct LocalClient<D>(D);

impl<D: Server + Clone + 'static> ClientHook for LocalClient<D> {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(Self(self.0.clone()))
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
        self.0.clone().dispatch_call(interface, method, Params::new(params), Results::new(results)).promise
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        self.0.as_ptr()
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
