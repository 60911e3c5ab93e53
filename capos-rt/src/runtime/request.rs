//! Building a call, and sending it to its target.

use super::call::{Call, CallRef, Interest, Stage, Target, call_brand};
use super::capabilities::{self, are_settled};
use super::error::from_code;
use super::incoming::Incoming;
use crate::local::{self, Local};
use crate::message::{CapTable, Message, Received};
use capnp::capability::{Promise, RemotePromise, Request};
use capnp::private::capability::{ClientHook, ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::{Error, Result, any_pointer};
use capos_abi::{ErrorCode, Opcode, SubmissionEntry};
use std::mem;

/// An empty request.
pub(super) fn new_request(
    target: Target,
    interface: u64,
    method: u16,
) -> Request<any_pointer::Owned, any_pointer::Owned> {
    Request::new(Call::new(target, interface, method))
}

impl RequestHook for Call {
    fn get(&mut self) -> any_pointer::Builder<'_> {
        self.params()
    }

    fn get_brand(&self) -> usize {
        call_brand()
    }

    fn send(self: Box<Self>) -> RemotePromise<any_pointer::Owned> {
        self.dispatch().remote_promise()
    }

    fn send_streaming(self: Box<Self>) -> Promise<(), Error> {
        let promise = self.send().promise;
        Promise::from_future(async move { promise.await.map(drop) })
    }

    fn tail_send(self: Box<Self>) -> Option<(u32, Promise<(), Error>, Box<dyn PipelineHook>)> {
        None
    }
}

impl Call {
    /// Sends the call, or has it sent once the promises among its parameters are resolved.
    #[inline]
    pub(super) fn dispatch(mut self: Box<Self>) -> Interest {
        let local = local::current();
        let is_ready =
            matches!(self.target.get_mut(), Target::Ring(_)) && are_settled(self.capabilities.get_mut());
        if !is_ready {
            return deliver_later(local, self);
        }
        let call = &mut *self;
        let message = call.message.get_mut();
        let entry = entry(local, message, call.capabilities.get_mut(), call.exported.get_mut());
        let call = CallRef::share(self);
        let interest = Interest::new(call.clone());
        start(local, entry, call);
        interest
    }
}

#[cold]
fn deliver_later(local: &Local, call: Box<Call>) -> Interest {
    let call = CallRef::share(call);
    let task = local.executor.spawn(Box::pin(deliver(call.clone())));
    call.set_stage(Stage::Task(task));
    Interest::new(call)
}

/// The part of a ring entry that sends `message` with settled `capabilities`; the badges of exported ones are added to
/// `exported`.
#[inline(always)]
fn entry(
    local: &Local,
    message: &mut Message,
    capabilities: &CapTable,
    exported: &mut Vec<u64>,
) -> Result<SubmissionEntry> {
    let Some(length) = message.finish() else { return Err(from_code(ErrorCode::MessageTooLarge)) };
    let mut entry = SubmissionEntry {
        opcode: Opcode::Call as u8,
        send_address: message.address(),
        send_length: length,
        ..SubmissionEntry::default()
    };
    if !capabilities.is_empty() {
        *exported = capabilities::encode(local, message, capabilities)?;
        entry.send_cap_count = capabilities.len() as u32;
        entry.send_caps = message.descriptors_address();
    }
    Ok(entry)
}

#[inline(always)]
fn start(local: &Local, entry: Result<SubmissionEntry>, call: CallRef) {
    match entry {
        Ok(entry) => local.operations.call(local, entry, call),
        Err(error) => call.complete(Err(error)),
    }
}

/// Submits a call with settled capabilities to the ring.
fn submit(call: CallRef) {
    let local = local::current();
    let entry = entry(
        local,
        &mut call.message.borrow_mut(),
        &call.capabilities.borrow(),
        &mut call.exported.borrow_mut(),
    );
    start(local, entry, call);
}

/// Resolves promises, the target's and those among the parameters, then submits the call.
async fn deliver(call: CallRef) {
    let mut capabilities = call.capabilities.take();
    if let Err(error) = capabilities::settle(&mut capabilities).await {
        return call.complete(Err(error));
    }
    call.capabilities.replace(capabilities);
    let hook = match call.target.take() {
        Target::Hook(hook) => match capabilities::settled(hook).await {
            Ok(hook) => hook,
            Err(error) => return call.complete(Err(error)),
        },
        target => {
            call.target.set(target);
            return submit(call);
        }
    };
    let hook = match call.redirect(hook) {
        Ok(()) => return submit(call),
        Err(hook) => hook,
    };
    let (message, capabilities) = (mem::take(&mut *call.message.borrow_mut()), call.capabilities.take());
    let (params, results, incoming) = Incoming::begin(Received::own(message, capabilities));
    let outcome = match hook.call(call.interface, call.method, params, results).await {
        Ok(()) => match incoming.take_results() {
            Some((message, capabilities)) => Ok(Received::own(message, capabilities)),
            None => Err(Error::failed("the server kept the results".into())),
        },
        Err(error) => Err(error),
    };
    call.complete(outcome);
}

/// Makes a call on `hook` with parameters and results that are owned elsewhere.
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
