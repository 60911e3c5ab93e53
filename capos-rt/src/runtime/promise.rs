//! Clients of promised capabilities, and of broken promises.

use super::call::{Interest, Target};
use super::request::{forward, new_request};
use capnp::capability::{Promise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, ResultsHook};
use capnp::{Error, MessageSize, Result, any_pointer};
use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A capability in the results of a pending call.
pub(super) struct PromiseState {
    resolution: RefCell<Option<Result<Box<dyn ClientHook>>>>,
    waiting: RefCell<Vec<Waker>>,
    /// Keeps the call alive until it has an outcome.
    call: RefCell<Option<Interest>>,
}

impl PromiseState {
    pub(super) fn waiting_for(call: Interest) -> Self {
        Self { resolution: RefCell::new(None), waiting: RefCell::default(), call: RefCell::new(Some(call)) }
    }

    pub(super) fn resolve(&self, resolution: Result<Box<dyn ClientHook>>) {
        *self.resolution.borrow_mut() = Some(resolution);
        drop(self.call.take());
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    fn resolution(&self) -> Option<Result<Box<dyn ClientHook>>> {
        self.resolution.borrow().clone()
    }
}

#[derive(Clone)]
pub(super) struct PromiseClient(Rc<PromiseState>);

impl PromiseClient {
    pub(super) fn new(state: Rc<PromiseState>) -> Self {
        Self(state)
    }
}

impl ClientHook for PromiseClient {
    fn add_ref(&self) -> Box<dyn ClientHook> {
        Box::new(self.clone())
    }

    fn new_call(
        &self,
        interface: u64,
        method: u16,
        size_hint: Option<MessageSize>,
    ) -> Request<any_pointer::Owned, any_pointer::Owned> {
        match self.0.resolution() {
            Some(Ok(hook)) => hook.new_call(interface, method, size_hint),
            _ => new_request(Target::Hook(self.add_ref()), interface, method),
        }
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
        0
    }

    fn get_ptr(&self) -> usize {
        Rc::as_ptr(&self.0) as usize
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        self.0.resolution().map(|resolution| resolution.unwrap_or_else(broken_client))
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        let state = self.0.clone();
        Some(Promise::from_future(poll_fn(move |context| match state.resolution() {
            Some(resolution) => Poll::Ready(resolution),
            None => {
                state.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })))
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        when_resolved(self)
    }
}

/// Waits until all promises in the chain are resolved.
pub(super) fn when_resolved(hook: &dyn ClientHook) -> Promise<(), Error> {
    let Some(next) = hook.when_more_resolved() else { return Promise::ok(()) };
    Promise::from_future(async move { next.await?.when_resolved().await })
}

/// A client whose calls all fail with `error`.
pub(super) fn broken_client(error: Error) -> Box<dyn ClientHook> {
    Box::new(BrokenClient(error))
}

struct BrokenClient(Error);

impl ClientHook for BrokenClient {
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
        _interface: u64,
        _method: u16,
        _params: Box<dyn ParamsHook>,
        _results: Box<dyn ResultsHook>,
    ) -> Promise<(), Error> {
        Promise::err(self.0.clone())
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn get_ptr(&self) -> usize {
        0
    }

    fn get_resolved(&self) -> Option<Box<dyn ClientHook>> {
        None
    }

    fn when_more_resolved(&self) -> Option<Promise<Box<dyn ClientHook>, Error>> {
        None
    }

    fn when_resolved(&self) -> Promise<(), Error> {
        Promise::err(self.0.clone())
    }
}
