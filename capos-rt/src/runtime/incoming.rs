//! Parameters and results as a server sees them.

use crate::message::{CapTable, Message, Received};
use capnp::capability::Promise;
use capnp::private::capability::{ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::traits::ImbueMut;
use capnp::{Error, Result, any_pointer};
use std::cell::RefCell;
use std::rc::Rc;

pub(super) struct Params(pub(super) Received);

impl ParamsHook for Params {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        self.0.root()
    }
}

/// Where results are found once the method has let go of them.
pub(super) type ResultsSlot = Rc<RefCell<Option<(Message, CapTable)>>>;

pub(super) struct Results {
    message: Option<Message>,
    capabilities: CapTable,
    slot: ResultsSlot,
}

impl Results {
    /// Empty results, and where they will be found.
    pub(super) fn new() -> (Box<Self>, ResultsSlot) {
        let slot = ResultsSlot::default();
        let mut message = Message::new();
        message.begin();
        let results = Self { message: Some(message), capabilities: CapTable::new(), slot: slot.clone() };
        (Box::new(results), slot)
    }
}

impl Drop for Results {
    fn drop(&mut self) {
        if let Some(message) = self.message.take() {
            *self.slot.borrow_mut() = Some((message, std::mem::take(&mut self.capabilities)));
        }
    }
}

impl ResultsHook for Results {
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        let Some(message) = &mut self.message else {
            return Err(Error::failed("results used after their end".into()));
        };
        let mut root = message.root();
        root.imbue_mut(&mut self.capabilities);
        Ok(root)
    }

    fn set_pipeline(&mut self) -> Result<()> {
        // Calls on promised capabilities wait for the results in any case.
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(mut self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        let promise = request.send().promise;
        Promise::from_future(async move { self.get()?.set_as(promise.await?.get()?) })
    }

    fn direct_tail_call(
        mut self: Box<Self>,
        request: Box<dyn RequestHook>,
    ) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        let remote = request.send();
        let promise = remote.promise;
        let copied = async move { self.get()?.set_as(promise.await?.get()?) };
        (Promise::from_future(copied), remote.pipeline.hook)
    }
}
