//! The interface of an engine.

use super::{Host, Returned, Signature, State, Urgency, fuel::FuelMeter, limiter::Limiter};
use crate::{
    Discard, End, Limits, Trap, UnknownImports, Value,
    account::Control,
    limits::{DEFAULT_TABLE_ELEMENTS, MAX_STACK_BYTES},
    pace::Pace,
    resources::FastClock,
};
use futures::future::LocalBoxFuture;
use std::{rc::Rc, task::Context as TaskContext};

/// How a module is compiled and linked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settings {
    pub(super) stack_bytes: u64,
    pub(super) unknown_imports: UnknownImports,
    /// Whether the code counts fuel, in engines that can leave it out.
    pub(super) counts_fuel: bool,
    /// Which of the host's engines it is for.
    pub(super) is_generated: bool,
    /// Whether its tables may be larger than by default, so that no instance has its place reserved.
    pub(super) has_large_tables: bool,
    /// Whether its state is exported, so that an instance can move from one engine to another.
    pub(super) exposes_state: bool,
}

impl Settings {
    pub(crate) fn new(
        limits: &Limits,
        unknown_imports: UnknownImports,
        counts_fuel: bool,
        is_generated: bool,
    ) -> Self {
        Self {
            stack_bytes: limits.stack_bytes.min(MAX_STACK_BYTES),
            unknown_imports,
            counts_fuel,
            is_generated,
            has_large_tables: is_generated && limits.table_elements > DEFAULT_TABLE_ELEMENTS,
            // So there is one code, whether or not instances move to it.
            exposes_state: is_generated,
        }
    }

    /// For a module whose instances may move to generated code.
    pub(crate) fn exposing_state(self) -> Self {
        Self { exposes_state: true, ..self }
    }
}

/// The requirements of a new instance besides its module.
pub(crate) struct Means<H> {
    /// The functions that it imports.
    pub(crate) host: H,
    pub(crate) limits: Limits,
    pub(crate) control: Rc<Control>,
    /// The host's own clock.
    pub(crate) clock: Option<FastClock>,
    pub(crate) discard: Option<Discard>,
}

impl<H> Means<H> {
    /// Splits the value into the functions, the fuel meter, the limiter, and the function that frees memory.
    pub(super) fn divide(self) -> (H, FuelMeter, Limiter, Option<Discard>) {
        let Self { host, limits, control, clock, discard } = self;
        let limiter = Limiter::new(control.clone(), &limits);
        (host, FuelMeter::new(control, limits.fuel, clock), limiter, discard)
    }
}

/// Compiles modules.
pub(crate) trait Engine<H: Host> {
    /// Compiles a module and resolves its imports. The error says what is wrong with it.
    fn compile<'a>(
        &'a self,
        bytes: &'a [u8],
        settings: Settings,
        urgency: &'a Urgency,
        pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Module<H>>, String>>;

    /// The engine's name in messages.
    fn name(&self) -> &'static str;

    /// Whether code must count fuel, for an instance with these limits. An engine that always counts has one kind of code.
    fn counts_fuel(&self, _limits: &Limits, _has_clock: bool) -> bool {
        false
    }
}

/// A module ready for instantiation: parsed, validated, and with resolved imports.
pub(crate) trait Module<H: Host> {
    /// Creates an instance. Its start function has not run; it is the export [`super::START_EXPORT`]. The error says what
    /// is missing.
    fn instantiate<'a>(
        &'a self,
        means: Means<H>,
        pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Instance<H>>, String>>;

    /// Frees it in turns with the executor's other tasks.
    fn free(self: Box<Self>, pace: Pace) -> LocalBoxFuture<'static, ()>;
}

/// An instance. It makes one call at a time, and runs only in [`Instance::resume`].
pub(crate) trait Instance<H: Host>: State {
    /// The names of its exports, each with whether it is a function.
    fn exports(&self) -> Box<dyn Iterator<Item = (&str, bool)> + '_>;

    /// The type of an exported function.
    fn signature(&self, function: &str) -> Option<Signature>;

    /// Starts a call of an exported function with arguments of its types; nothing is executed yet.
    fn call(&mut self, function: &str, arguments: &[Value]);

    /// Continues the call until it returns, waits, has had its turn, or has ended.
    fn resume(&mut self, cx: &mut TaskContext<'_>) -> Step;

    /// The indices of the functions that were on the stack when the last call trapped, innermost first, in the module as it
    /// was given. Finding them takes time in the number of the module's functions.
    fn backtrace<'a>(&'a self, pace: &'a mut Pace) -> LocalBoxFuture<'a, Vec<u32>>;

    /// The functions that it imports, between two calls.
    fn host(&mut self) -> Option<&mut H>;

    /// Counts for `control` from now on, as the continuation of an instance that has used what is counted there.
    fn charge_to(&mut self, control: Rc<Control>, limits: &Limits);

    /// Frees the instance in turns with other tasks, as determined by `pace`.
    fn free(self: Box<Self>, pace: Pace) -> LocalBoxFuture<'static, ()>;
}

/// The reason that a call stopped.
pub(crate) enum Step {
    /// The function returned these values.
    Returned(Vec<Returned>),
    /// An imported function waits; it wakes the task that polls it.
    Waiting,
    /// Other tasks must run before it continues.
    TurnOver,
    /// The instance ends, by an imported function or at its fuel limit.
    Ended(End),
    /// It violated WebAssembly's rules.
    Trapped(Failure),
}

/// A trap, as reported by an engine.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(super) cause: Cause,
    pub(super) message: String,
}

/// Kinds of traps that must be distinguished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Unreachable,
    StackOverflow,
    Other,
}

impl Failure {
    /// Whether the program gave up by executing `unreachable`; all other traps have their own reasons.
    pub(crate) fn is_giving_up(&self) -> bool {
        self.cause == Cause::Unreachable
    }

    pub(crate) fn is_stack_overflow(&self) -> bool {
        self.cause == Cause::StackOverflow
    }

    /// The trap in the functions of `backtrace`, with their names in `module`.
    pub(crate) async fn explain(self, backtrace: &[u32], module: &[u8], pace: &mut Pace) -> Trap {
        let backtrace = super::names::name_all(module, backtrace, pace).await;
        super::failure::explained(self.message, backtrace)
    }
}
