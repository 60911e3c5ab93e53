//! A call that is being put together, and the ways it can go.

use super::call::{CallState, Stage};
use super::capabilities;
use super::client::ring_handle;
use super::error::from_code;
use super::handle::OwnedHandle;
use super::incoming::{Params, Results};
use super::operation::Outgoing;
use crate::local;
use crate::message::{CapTable, Message, Received};
use capnp::capability::{Promise, RemotePromise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::traits::ImbueMut;
use capnp::{Error, Result, any_pointer};
use capos_abi::ErrorCode;
use std::rc::Rc;

/// What a call is made on.
pub(super) enum Target {
    /// A capability in this process's table.
    Ring(Rc<OwnedHandle>),
    /// An object of this process, or a promise.
    Hook(Box<dyn ClientHook>),
}

/// Everything about a call but its target.
pub(super) struct Call {
    pub(super) interface: u64,
    pub(super) method: u16,
    pub(super) message: Message,
    pub(super) capabilities: CapTable,
}

struct Outbound {
    target: Target,
    call: Call,
}

/// An empty request.
pub(super) fn new_request(
    target: Target,
    interface: u64,
    method: u16,
) -> Request<any_pointer::Owned, any_pointer::Owned> {
    let mut message = Message::new();
    message.begin();
    let call = Call { interface, method, message, capabilities: CapTable::new() };
    Request::new(Box::new(Outbound { target, call }))
}

impl RequestHook for Outbound {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        let mut root = self.call.message.root();
        root.imbue_mut(&mut self.call.capabilities);
        root
    }

    fn get_brand(&self) -> usize {
        0
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        let Self { target, call } = *self;
        let state = Rc::new(CallState::default());
        let promise = state.remote_promise();
        match target {
            Target::Ring(handle) if capabilities::are_settled(&call.capabilities) => {
                submit(&state, handle, None, call);
            }
            target => {
                let delivery = deliver(state.clone(), target, call);
                let task = local::current().executor.spawn(Box::pin(delivery));
                state.set_stage(Stage::Task(task));
            }
        }
        promise
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(drop) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

/// Puts a call with settled capabilities into the ring.
fn submit(
    state: &Rc<CallState>,
    handle: Rc<OwnedHandle>,
    keeper: Option<Box<dyn ClientHook>>,
    mut call: Call,
) {
    // The hook that a borrowed handle came from travels with the capabilities of the message, unsent.
    let sent = call.capabilities.len();
    call.capabilities.extend(keeper.map(Some));
    let local = local::current();
    let Some(length) = call.message.finish() else {
        return state.complete(Err(from_code(ErrorCode::MessageTooLarge)));
    };
    match capabilities::encode(local, &mut call.message, &call.capabilities[..sent]) {
        Ok(exported) => {
            let outgoing = Outgoing { state: state.clone(), target: handle, length, sent, call, exported };
            state.set_stage(Stage::Operation(local.operations.call(local, outgoing)));
        }
        Err(error) => state.complete(Err(error)),
    }
}

/// Follows promises, the target's and those among the parameters, then makes the call.
async fn deliver(state: Rc<CallState>, target: Target, mut call: Call) {
    if let Err(error) = capabilities::settle(&mut call.capabilities).await {
        return state.complete(Err(error));
    }
    let hook = match target {
        Target::Ring(handle) => return submit(&state, handle, None, call),
        Target::Hook(hook) => match capabilities::settled(hook).await {
            Ok(hook) => hook,
            Err(error) => return state.complete(Err(error)),
        },
    };
    if let Some(handle) = ring_handle(&*hook) {
        return submit(&state, Rc::new(OwnedHandle::borrowed(handle)), Some(hook), call);
    }
    let params = Box::new(Params(Received::own(call.message, call.capabilities)));
    let (results, slot) = Results::new();
    let outcome = match hook.call(call.interface, call.method, params, results).await {
        Ok(()) => match slot.take() {
            Some((message, capabilities)) => Ok(Received::own(message, capabilities)),
            None => Err(Error::failed("the server kept the results".into())),
        },
        Err(error) => Err(error),
    };
    state.complete(outcome);
}

/// Makes a call on `hook` with parameters and results that someone else holds.
pub(super) fn forward(
    hook: &dyn ClientHook,
    interface: u64,
    method: u16,
    params: Box<dyn ParamsHook>,
    mut results: Box<dyn ResultsHook>,
) -> Promise<(), Error> {
    let mut request = hook.new_call(interface, method, None);
    let copied: Result<()> = params.get().and_then(|params| request.hook.get().set_as(params));
    if let Err(error) = copied {
        return Promise::err(error);
    }
    drop(params);
    let promise = request.send().promise;
    Promise::from_future(async move { results.get()?.set_as(promise.await?.get()?) })
}
