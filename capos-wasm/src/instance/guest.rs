//! An instance with its host's policy: when it runs, and how its ends are interpreted.

use crate::{
    End, Value,
    account::{Interrupts, Missing, Refusal},
    cache::Cached,
    engine::{Instance, Means, Module, Returned, START_EXPORT, Signature, Step, is_state_export},
    instance::Remains,
    pace::Pace,
    preview1::Preview1,
    resources::FastClock,
};
use std::{future::poll_fn, rc::Rc, task::Poll};

/// A compiled module whose imports are provided by Preview 1. Dropping it frees it in turns with the executor's other tasks.
pub(crate) struct Compiled {
    /// Present until the drop.
    module: Option<Box<dyn Module<Preview1>>>,
    remains: Rc<Remains>,
}

impl Compiled {
    pub(crate) fn new(module: Box<dyn Module<Preview1>>, remains: Rc<Remains>) -> Self {
        Self { module: Some(module), remains }
    }

    /// Creates an instance. The error says what is missing.
    pub(crate) async fn instantiate(
        &self,
        means: Means<Preview1>,
        pace: &mut Pace,
    ) -> Result<Box<dyn Instance<Preview1>>, String> {
        match &self.module {
            Some(module) => module.instantiate(means, pace).await,
            None => Err("its module has been freed".to_owned()),
        }
    }
}

impl Drop for Compiled {
    fn drop(&mut self) {
        if let Some(module) = self.module.take() {
            self.remains.add(module);
        }
    }
}

/// The export of a library that is called before any other.
pub(super) const INITIALIZE: &str = "_initialize";

/// A running instance.
pub(crate) struct Guest {
    pub(super) instance: Box<dyn Instance<Preview1>>,
    pub(super) module: Rc<Cached<Compiled>>,
    pub(super) interrupts: Interrupts,
    clock: Option<FastClock>,
}

impl Guest {
    pub(super) fn new(
        instance: Box<dyn Instance<Preview1>>,
        module: Rc<Cached<Compiled>>,
        interrupts: Interrupts,
        clock: Option<FastClock>,
    ) -> Self {
        Self { instance, module, interrupts, clock }
    }

    /// Frees it after its end, in turns with other instances.
    pub(super) async fn free(self) {
        self.instance.free(Pace::new(self.clock)).await;
    }

    /// The type of an exported function.
    pub(super) fn signature(&self, name: &str) -> Option<Signature> {
        if name == START_EXPORT { None } else { self.instance.signature(name) }
    }

    /// The names of the exports, each with whether it is a function.
    pub(super) fn exports(&self) -> impl Iterator<Item = (&str, bool)> {
        let exports = self.instance.exports();
        exports.filter(|&(name, is_function)| name != START_EXPORT && !is_state_export(name, is_function))
    }

    /// The pace for long work on behalf of this instance.
    pub(super) fn pace(&self) -> Pace {
        Pace::new(self.clock)
    }

    /// Runs the module's start function, which precedes everything else.
    pub(super) async fn start_section(&mut self) -> Result<(), End> {
        let Some(signature) = self.instance.signature(START_EXPORT) else { return Ok(()) };
        if !signature.takes_and_returns_nothing() {
            return Err(End::FailedToStart("the start function takes or returns something".into()));
        }
        self.execute(START_EXPORT, &[]).await.map(drop)
    }

    /// Runs a library's initialization function, which precedes everything else.
    pub(super) async fn initialize(&mut self) -> Result<(), End> {
        match self.signature(INITIALIZE) {
            Some(signature) if signature.takes_and_returns_nothing() => {
                self.execute(INITIALIZE, &[]).await.map(drop)
            }
            _ => Ok(()),
        }
    }

    /// Runs an exported function to its end, in turns with other instances, suspended while it waits.
    pub(super) async fn execute(
        &mut self,
        function: &str,
        arguments: &[Value],
    ) -> Result<Vec<Returned>, End> {
        self.interrupts.yield_now().await?;
        self.instance.call(function, arguments);
        loop {
            let (interrupts, instance) = (&mut self.interrupts, &mut self.instance);
            let step = poll_fn(|cx| match interrupts.poll(cx) {
                Poll::Ready(end) => Poll::Ready(Step::Ended(end)),
                Poll::Pending => match instance.resume(cx) {
                    Step::Waiting => Poll::Pending,
                    step => Poll::Ready(step),
                },
            });
            match step.await {
                Step::Returned(results) => return Ok(results),
                Step::TurnOver => self.interrupts.yield_now().await?,
                // The future above never returns this.
                Step::Waiting => {}
                Step::Ended(end) => return Err(self.cause(end)),
                Step::Trapped(failure) => {
                    let control = self.interrupts.control();
                    if !failure.is_giving_up() {
                        control.trap_says_why();
                    }
                    if failure.is_stack_overflow() {
                        control.refuse(Refusal { import: "a nested call", missing: Missing::Stack });
                    }
                    let mut pace = self.pace();
                    let backtrace = self.instance.backtrace(&mut pace).await;
                    let trap = Box::pin(failure.explain(&backtrace, &self.module.bytes, &mut pace)).await;
                    return Err(self.cause(End::Trap(trap)));
                }
            }
        }
    }

    /// If memory was refused and the program gave up, that is the reason. An exit status is kept.
    fn cause(&self, end: End) -> End {
        match end {
            End::Trap(_) if self.interrupts.control().is_out_of_memory() => End::OutOfMemory,
            end => end,
        }
    }
}
