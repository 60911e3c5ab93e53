//! `CompilerJob`: takes the result of one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use capnp::Error;
use capos_abi::Rights;
use capos_rt::attenuate;
use capos_schema::compiler_capnp::compiler_job::{
    AllocateParams, AllocateResults, FailedParams, FailedResults, FinishedParams, FinishedResults,
    ProgressParams, ProgressResults, Server,
};
use capos_schema::memory_capnp::memory_object;

use super::{Service, memory};
use crate::signal::Signal;

/// Maximum length of a reason.
const MOST_REASON_CHARS: usize = 2000;

/// The state of one worker's result. Nothing that the worker says is believed before it has ended.
pub(super) struct JobServer {
    service: Rc<Service>,
    progress: Rc<Cell<(u32, u32)>>,
    has_asked: Cell<bool>,
    object: RefCell<Option<memory_object::Client>>,
    outcome: RefCell<Option<Result<u64, String>>>,
    over: Signal,
}

impl JobServer {
    pub(super) fn new(service: &Rc<Service>, progress: Rc<Cell<(u32, u32)>>) -> Self {
        Self {
            service: service.clone(),
            progress,
            has_asked: Cell::new(false),
            object: RefCell::default(),
            outcome: RefCell::default(),
            over: Signal::default(),
        }
    }

    /// Waits until the worker has said that it is done.
    pub(super) async fn over(&self) {
        self.over.until(|| self.outcome.borrow().is_some().then_some(())).await;
    }

    /// The object and the length of the artifact in it, or the reason of a failure; `None` if the worker said nothing.
    pub(super) fn take(&self) -> Option<Result<(memory_object::Client, u64), String>> {
        let object = self.object.take();
        Some(self.outcome.take()?.and_then(|length| match object {
            Some(object) => Ok((object, length)),
            None => Err("the compiler delivered nothing".to_owned()),
        }))
    }

    /// Only the first end counts.
    fn end(&self, outcome: Result<u64, String>) {
        self.outcome.borrow_mut().get_or_insert(outcome);
        self.over.notify();
    }
}

impl Server for JobServer {
    async fn allocate(
        self: Rc<Self>,
        params: AllocateParams,
        mut results: AllocateResults,
    ) -> Result<(), Error> {
        let (length, most) = (params.get()?.get_length(), self.service.options.code_bytes);
        if self.has_asked.replace(true) {
            return Err(Error::failed("memory for the artifact was allocated already".into()));
        }
        let created = match length {
            0 => Err(Error::failed("an artifact of 0 bytes".into())),
            length if length > most => {
                Err(Error::failed(format!("the code has {length} bytes; at most {most} are possible")))
            }
            length => memory::code_object(self.service.launcher.factory(), length).await,
        };
        let object = created.inspect_err(|error| self.end(Err(error.extra.clone())))?;
        results.get().set_object(attenuate(&object, Rights::READ | Rights::WRITE | Rights::TRANSFER)?);
        *self.object.borrow_mut() = Some(object);
        Ok(())
    }

    async fn progress(self: Rc<Self>, params: ProgressParams, _: ProgressResults) -> Result<(), Error> {
        let params = params.get()?;
        self.progress.set((params.get_functions(), params.get_compiled().min(params.get_functions())));
        Ok(())
    }

    async fn finished(self: Rc<Self>, params: FinishedParams, _: FinishedResults) -> Result<(), Error> {
        self.end(Ok(params.get()?.get_length()));
        Ok(())
    }

    async fn failed(self: Rc<Self>, params: FailedParams, _: FailedResults) -> Result<(), Error> {
        let reason = params.get()?.get_reason()?.to_str()?;
        // It is shown to people.
        let plain = reason.chars().take(MOST_REASON_CHARS).map(|c| if c.is_control() { ' ' } else { c });
        self.end(Err(plain.collect()));
        Ok(())
    }
}
