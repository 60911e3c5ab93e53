//! Calls without a box for their promise, its typed form, their pipeline and their response: all of these are the record of
//! the call.

use super::call::{Call, Interest};
use capnp::capability::{Promise, Request, Response};
use capnp::traits::{Owned, Pipelined};
use capnp::{Result, any_pointer};
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Sends requests whose results are only awaited.
pub trait Ask<R> {
    /// Sends the request, like `send().promise`, but without allocating memory; hence the results have no pipeline. The call is
    /// cancelled when the future is dropped.
    fn ask(self) -> Asking<R>;
}

impl<P, R> Ask<R> for Request<P, R> {
    #[inline]
    fn ask(self) -> Asking<R> {
        let state = match Call::of_request(self.hook) {
            Ok(call) => State::Call(Some(call.dispatch())),
            Err(hook) => State::Promise(hook.send().promise),
        };
        Asking { state, results: PhantomData }
    }
}

/// A call that was sent by [`Ask::ask`].
#[must_use = "dropping it cancels the call"]
pub struct Asking<R> {
    state: State,
    results: PhantomData<fn() -> R>,
}

enum State {
    /// `None` once it has been answered.
    Call(Option<Interest>),
    /// Of an object that another runtime serves.
    Promise(Promise<Response<any_pointer::Owned>, capnp::Error>),
}

impl<R> Future for Asking<R> {
    type Output = Result<Answered<R>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let source = match &mut self.state {
            State::Call(pending) => {
                let call = pending.take().expect("a future is not polled after it was ready");
                match call.poll(context) {
                    Poll::Ready(outcome) => outcome.map(|()| Source::Call(call)),
                    Poll::Pending => {
                        *pending = Some(call);
                        return Poll::Pending;
                    }
                }
            }
            State::Promise(promise) => ready!(Pin::new(promise).poll(context)).map(Source::Response),
        };
        Poll::Ready(source.map(|source| Answered { source, results: PhantomData }))
    }
}

/// The results of a call that was sent by [`Ask::ask`].
pub struct Answered<R> {
    source: Source,
    results: PhantomData<fn() -> R>,
}

enum Source {
    Call(Interest),
    Response(Response<any_pointer::Owned>),
}

impl<R: Pipelined + Owned> Answered<R> {
    /// The results.
    ///
    /// # Errors
    /// If the message is malformed.
    #[inline]
    pub fn get(&self) -> Result<R::Reader<'_>> {
        match &self.source {
            Source::Call(call) => call.results()?.get_as(),
            Source::Response(response) => response.get()?.get_as(),
        }
    }
}
