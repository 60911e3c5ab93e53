//! An instance: calls that can be suspended and resumed.

use super::{
    call::{Finished, Stop, call},
    compile::Compiled,
    convert::{signature, to_val},
    data::HostData,
    machine::Machine,
    pause::{Pause, Shared},
};
use crate::{
    Limits, Value,
    account::Control,
    engine::{Host, Signature, Step},
    pace::Pace,
};
use futures::future::LocalBoxFuture;
use std::{
    ops::Range,
    rc::Rc,
    task::{Context as TaskContext, Poll, Waker},
};
use wasmtime::{ExternType, Store};

/// The time by which the turns of a guest that is interrupted are longer than those of one that looks at the clock: it stops at
/// once, and each interruption costs it some thousand instructions.
const EXTENSION_NS: u64 = 250_000;

/// An instance that wasmtime runs.
pub(super) struct Instance<H: Host> {
    module: wasmtime::Module,
    functions: Range<usize>,
    machine: Rc<dyn Machine>,
    pub(super) instance: wasmtime::Instance,
    shared: Rc<Shared>,
    running: Running<H>,
    /// Whether the imported function of the call in progress waits.
    waits: bool,
    /// The functions on the stack when the last call trapped.
    backtrace: Vec<u32>,
}

/// The place of the store.
enum Running<H: Host> {
    Nothing(Box<Store<HostData<H>>>),
    Call(LocalBoxFuture<'static, Finished<H>>),
    /// Only while a call is being started.
    Neither,
}

impl<H: Host> Instance<H> {
    pub(super) fn new(
        store: Box<Store<HostData<H>>>,
        compiled: &Compiled<H>,
        instance: wasmtime::Instance,
        shared: Rc<Shared>,
    ) -> Self {
        Self {
            module: compiled.module().clone(),
            functions: compiled.functions.clone(),
            machine: compiled.machine.clone(),
            instance,
            shared,
            running: Running::Nothing(store),
            waits: false,
            backtrace: Vec::new(),
        }
    }

    /// The store, between two calls.
    pub(super) fn store(&mut self) -> Option<&mut Store<HostData<H>>> {
        match &mut self.running {
            Running::Nothing(store) => Some(store),
            Running::Call(_) | Running::Neither => None,
        }
    }

    /// The time at which the guest is interrupted.
    fn interruption(&self) -> u64 {
        let end = self.shared.fuel().turn_end();
        end.map_or(u64::MAX, |(_, end_ns)| end_ns.saturating_add(EXTENSION_NS))
    }

    /// Takes the store back from a call that is over.
    fn finish(&mut self, Finished { store, result }: Finished<H>) -> Step {
        self.running = Running::Nothing(store);
        match result {
            Ok(results) => Step::Returned(results),
            Err(Stop::Ended(end)) => Step::Ended(end),
            Err(Stop::Trapped { failure, backtrace }) => {
                self.backtrace = backtrace;
                Step::Trapped(failure)
            }
        }
    }
}

impl<H: Host> crate::engine::Instance<H> for Instance<H> {
    fn exports(&self) -> Box<dyn Iterator<Item = (&str, bool)> + '_> {
        let exports = self.module.exports();
        Box::new(exports.map(|export| (export.name(), matches!(export.ty(), ExternType::Func(_)))))
    }

    fn signature(&self, function: &str) -> Option<Signature> {
        match self.module.get_export(function)? {
            ExternType::Func(ty) => Some(signature(&ty)),
            _ => None,
        }
    }

    fn call(&mut self, function: &str, arguments: &[Value]) {
        self.running = match std::mem::replace(&mut self.running, Running::Neither) {
            Running::Nothing(mut store) => match self.instance.get_func(&mut *store, function) {
                Some(function) => {
                    let arguments = arguments.iter().copied().map(to_val).collect();
                    Running::Call(Box::pin(call(store, function, arguments)))
                }
                None => Running::Nothing(store),
            },
            running => running,
        };
        self.waits = false;
    }

    fn resume(&mut self, cx: &mut TaskContext<'_>) -> Step {
        // Other tasks have run since the last call of this.
        self.shared.fuel().begin_turn();
        loop {
            let interruption = self.interruption();
            let Running::Call(call) = &mut self.running else { return Step::Returned(Vec::new()) };
            // wasmtime wakes the task at every pause of its own, for which there is no need.
            let is_watched = !self.shared.counts_fuel();
            if is_watched {
                self.machine.run_until(self.functions.clone(), interruption);
            }
            let poll = match self.waits {
                true => call.as_mut().poll(cx),
                false => call.as_mut().poll(&mut TaskContext::from_waker(Waker::noop())),
            };
            if is_watched {
                self.machine.stop();
            }
            if let Poll::Ready(finished) = poll {
                return self.finish(finished);
            }
            let waited = std::mem::replace(&mut self.waits, false);
            match self.shared.take_pause() {
                Pause::Slice if is_watched => return Step::TurnOver,
                Pause::Slice => self.module.engine().increment_epoch(),
                Pause::TurnOver => return Step::TurnOver,
                Pause::Waiting => {
                    self.waits = true;
                    if waited {
                        return Step::Waiting;
                    }
                    // The function is polled once more, with the task's own waker.
                }
            }
        }
    }

    fn backtrace<'a>(&'a self, _pace: &'a mut Pace) -> LocalBoxFuture<'a, Vec<u32>> {
        // A start function that was converted to an export has kept its index.
        Box::pin(std::future::ready(self.backtrace.clone()))
    }

    fn host(&mut self) -> Option<&mut H> {
        self.store().map(|store| &mut store.data_mut().local.host)
    }

    fn charge_to(&mut self, control: Rc<Control>, limits: &Limits) {
        self.shared.fuel().charge_to(control.clone(), limits.fuel);
        if let Some(store) = self.store() {
            store.data_mut().limits.charge_to(control);
        }
    }

    /// Frees it at once: wasmtime has no way to free a store in parts, nor does it lend memories that are not exported.
    fn free(self: Box<Self>, _pace: Pace) -> LocalBoxFuture<'static, ()> {
        drop(self);
        Box::pin(std::future::ready(()))
    }
}
