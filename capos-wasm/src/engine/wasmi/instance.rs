//! An instance: calls that can be suspended and resumed.

use super::{
    convert::{cause, returned, signature, to_val},
    data::{HostData, Pause, poll_host},
    freeing::free,
    metering::{give, settle},
};
use crate::{
    Discard, End, Limits, Value,
    account::Control,
    engine::{Host, Signature, Step, interface::Failure},
    pace::Pace,
};
use futures::future::LocalBoxFuture;
use std::{
    rc::Rc,
    task::{Context as TaskContext, Poll},
};
use wasmi::{
    Error, Func, ResumableCall, ResumableCallHostTrap, ResumableCallOutOfFuel, Store, TrapCode, Val,
};

/// An instance that wasmi runs.
pub(super) struct Instance<H: Host> {
    pub(super) store: Box<Store<HostData<H>>>,
    /// For backtraces.
    module: wasmi::Module,
    pub(super) instance: wasmi::Instance,
    discard: Option<Discard>,
    running: Running,
    results: Vec<Val>,
    /// Whether other tasks have run since the guest ran.
    turn: Turn,
}

/// The call in progress.
enum Running {
    Nothing,
    /// Nothing of the function has run: it is starting, or being translated.
    Begun {
        function: Func,
        arguments: Vec<Val>,
    },
    OutOfFuel(ResumableCallOutOfFuel),
    Suspended(ResumableCallHostTrap),
    /// The export is itself an imported function, and waits: there is no guest to resume.
    SuspendedAlone,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The turn is still this guest's.
    Kept,
    /// Other tasks had a turn. The guest's next one takes this fuel at least.
    Taken { required: u64 },
}

impl<H: Host> Instance<H> {
    pub(super) fn new(
        store: Box<Store<HostData<H>>>,
        module: wasmi::Module,
        instance: wasmi::Instance,
        discard: Option<Discard>,
    ) -> Self {
        let (running, results, turn) = (Running::Nothing, Vec::new(), Turn::Kept);
        Self { store, module, instance, discard, running, results, turn }
    }

    fn function(&self, name: &str) -> Option<Func> {
        self.instance.get_func(&*self.store, name)
    }

    /// Continues until the guest stops or must stop; `None` if it can continue at once.
    fn step(&mut self, cx: &mut TaskContext<'_>) -> Result<Option<Step>, End> {
        let outcome = match std::mem::replace(&mut self.running, Running::Nothing) {
            Running::Nothing => return Ok(Some(Step::Returned(Vec::new()))),
            Running::Begun { function, arguments } => {
                self.begin_turn()?;
                let outcome = function.call_resumable(&mut *self.store, &arguments, &mut self.results);
                if let Err(error) = &outcome
                    && let Some(required) = error.as_resumable_fuel()
                {
                    settle(&mut self.store);
                    self.running = Running::Begun { function, arguments };
                    return self.next_slice(required);
                }
                outcome
            }
            Running::OutOfFuel(call) => {
                self.begin_turn()?;
                call.resume(&mut *self.store, &mut self.results)
            }
            Running::Suspended(call) => {
                let Poll::Ready(value) = poll_host(&mut self.store, cx) else {
                    self.running = Running::Suspended(call);
                    self.turn = Turn::Taken { required: 0 };
                    return Ok(Some(Step::Waiting));
                };
                let value = Val::I32(value?.cast_signed());
                // If no other task ran in between, the slice continues.
                self.begin_turn()?;
                call.resume(&mut *self.store, &[value], &mut self.results)
            }
            Running::SuspendedAlone => {
                let Poll::Ready(value) = poll_host(&mut self.store, cx) else {
                    self.running = Running::SuspendedAlone;
                    return Ok(Some(Step::Waiting));
                };
                self.results.fill(Val::I32(value?.cast_signed()));
                return Ok(Some(self.returned()));
            }
        };
        settle(&mut self.store);
        match outcome {
            Ok(ResumableCall::Finished) => Ok(Some(self.returned())),
            Ok(ResumableCall::OutOfFuel(call)) => {
                let required = call.required_fuel();
                self.running = Running::OutOfFuel(call);
                self.next_slice(required)
            }
            Ok(ResumableCall::HostTrap(call)) => match call.host_error().downcast_ref::<Pause>() {
                Some(Pause::Suspended) => {
                    self.running = Running::Suspended(call);
                    Ok(None)
                }
                Some(Pause::Ended(end)) => Err(end.clone()),
                None => Ok(Some(self.failure(call.host_error()))),
            },
            Err(error) => match error.downcast_ref::<Pause>() {
                Some(Pause::Suspended) => {
                    self.running = Running::SuspendedAlone;
                    Ok(None)
                }
                Some(Pause::Ended(end)) => Err(end.clone()),
                None => Ok(Some(self.failure(&error))),
            },
        }
    }

    /// Gives the guest fuel for a new turn, if other tasks have run.
    fn begin_turn(&mut self) -> Result<(), End> {
        match std::mem::replace(&mut self.turn, Turn::Kept) {
            Turn::Kept => Ok(()),
            Turn::Taken { required } => {
                self.store.data_mut().fuel.begin_turn();
                give(&mut self.store, required)
            }
        }
    }

    /// Gives the guest more fuel, after other tasks have run if its turn is over.
    fn next_slice(&mut self, required: u64) -> Result<Option<Step>, End> {
        let fuel = &self.store.data().fuel;
        // Translation uses no fuel, so a turn measured in fuel would never end in it.
        if fuel.is_turn_over() || (required == 0 && fuel.turn_end().is_none()) {
            self.turn = Turn::Taken { required };
            return Ok(Some(Step::TurnOver));
        }
        give(&mut self.store, required)?;
        Ok(None)
    }

    fn returned(&mut self) -> Step {
        Step::Returned(self.results.iter().map(returned).collect())
    }

    /// The step for an error of wasmi.
    fn failure(&mut self, error: &Error) -> Step {
        let code = error.as_trap_code();
        if code == Some(TrapCode::OutOfFuel) {
            return Step::Ended(self.store.data_mut().fuel.exhausted());
        }
        Step::Trapped(Failure {
            cause: cause(code),
            message: code.map_or_else(|| error.to_string(), |code| code.trap_message().to_owned()),
        })
    }
}

impl<H: Host> crate::engine::Instance<H> for Instance<H> {
    fn exports(&self) -> Box<dyn Iterator<Item = (&str, bool)> + '_> {
        let exports = self.instance.exports(&*self.store);
        Box::new(exports.map(|export| (export.name(), export.into_func().is_some())))
    }

    fn signature(&self, function: &str) -> Option<Signature> {
        self.function(function).map(|function| signature(&function.ty(&*self.store)))
    }

    fn call(&mut self, function: &str, arguments: &[Value]) {
        let Some(function) = self.function(function) else { return };
        let ty = function.ty(&*self.store);
        self.results.clear();
        self.results.extend(ty.results().iter().map(|ty| Val::default_for_ty(*ty)));
        let arguments = arguments.iter().copied().map(to_val).collect();
        self.running = Running::Begun { function, arguments };
        self.turn = Turn::Taken { required: 0 };
    }

    fn resume(&mut self, cx: &mut TaskContext<'_>) -> Step {
        loop {
            match self.step(cx) {
                Ok(None) => {}
                Ok(Some(step)) => return step,
                Err(end) => return Step::Ended(end),
            }
        }
    }

    fn backtrace<'a>(&'a self, pace: &'a mut Pace) -> LocalBoxFuture<'a, Vec<u32>> {
        // A start function that was converted to an export has kept its index.
        Box::pin(self.module.backtrace_with_pauses(&*self.store, pace))
    }

    fn host(&mut self) -> Option<&mut H> {
        Some(&mut self.store.data_mut().host)
    }

    fn charge_to(&mut self, control: Rc<Control>, limits: &Limits) {
        let data = self.store.data_mut();
        data.fuel.charge_to(control.clone(), limits.fuel);
        data.limiter.charge_to(control);
    }

    fn free(self: Box<Self>, mut pace: Pace) -> LocalBoxFuture<'static, ()> {
        // Drops the call in progress, with its stack.
        let Self { store, discard, .. } = *self;
        Box::pin(async move { free(store, discard, &mut pace).await })
    }
}
