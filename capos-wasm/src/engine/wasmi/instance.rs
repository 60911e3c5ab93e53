//! Running an instance: calls that can be suspended, resumed and ended.

use super::{
    data::{HostData, Pause, poll_reply},
    freeing::free,
    fuel,
    module::value_type,
    names::name_all,
    print::{Printing, shown},
    runtime::{Compiled, Means},
    start::START_EXPORT,
    trap::end_of,
};
use crate::{
    CallError, End, Value,
    account::{Interrupts, Missing, Refusal},
    cache::Cached,
    instance::{Command, Invocation},
    pace::Pace,
    preview1::{Errno, Reply},
};
use futures::{Stream, channel::mpsc};
use std::{future::poll_fn, pin::Pin, rc::Rc, task::Poll};
use wasmi::{Extern, Func, ResumableCall, Store, TrapCode, Val};

/// The export of a library that is called before everything else.
const INITIALIZE: &str = "_initialize";

/// The status when results could not be written to standard output.
const NOT_PRINTED: i32 = 1;

/// An instance that wasmi runs.
pub(crate) struct Instance {
    // Apart: it is large, and moved with all that holds it.
    store: Box<Store<HostData>>,
    module: Rc<Cached<Compiled>>,
    instance: wasmi::Instance,
    interrupts: Interrupts,
    means: Means,
}

impl Instance {
    pub(super) fn new(
        store: Box<Store<HostData>>,
        module: Rc<Cached<Compiled>>,
        instance: wasmi::Instance,
        interrupts: Interrupts,
        means: Means,
    ) -> Self {
        Self { store, module, instance, interrupts, means }
    }

    /// Frees it after its end, in turns with other instances.
    pub(crate) async fn free(mut self) {
        let Means { clock, discard } = self.means;
        free(&mut self.store, discard, &mut Pace::new(clock)).await;
    }

    /// Runs a program from `_start` to its end, or calls another export.
    pub(crate) async fn run(&mut self, invocation: Option<&Invocation>) -> End {
        if let Err(end) = self.start_section().await {
            return end;
        }
        if let Some(invocation) = invocation {
            return Box::pin(self.invoke(invocation)).await.unwrap_or_else(|end| end);
        }
        let Some(start) = self.instance.get_func(&*self.store, "_start") else {
            if self.instance.exports(&*self.store).all(|export| export.name() == START_EXPORT) {
                self.interrupts.control().set_empty_module();
                return End::Exited(0);
            }
            return End::FailedToStart("the module exports no function _start".into());
        };
        if !takes_and_returns_nothing(&start, &self.store) {
            return End::FailedToStart("_start takes or returns something".into());
        }
        match self.execute(start, &[], &mut []).await {
            Ok(()) => End::Exited(0),
            Err(end) => end,
        }
    }

    /// Serves calls, one after the other, until the instance ends or nobody can call any more.
    pub(crate) async fn serve(&mut self, mut commands: mpsc::UnboundedReceiver<Command>) -> End {
        if let Err(end) = self.start_section().await {
            return end;
        }
        if let Err(end) = self.initialize().await {
            return end;
        }
        loop {
            let command = poll_fn(|cx| match self.interrupts.poll(cx) {
                Poll::Ready(end) => Poll::Ready(Err(end)),
                Poll::Pending => Pin::new(&mut commands).poll_next(cx).map(|next| next.ok_or(End::Killed)),
            });
            let Command { function, arguments, reply } = match command.await {
                Ok(command) => command,
                Err(end) => return end,
            };
            self.interrupts.control().dequeue();
            if reply.is_canceled() {
                continue;
            }
            let result = match self.export(&function, &arguments) {
                Ok(prepared) => self.call(prepared).await,
                Err(reason) => Ok(Err(CallError::Refused(reason))),
            };
            match result {
                // A caller that is gone does not want the result.
                Ok(result) => drop(reply.send(result)),
                Err(end) => {
                    drop(reply.send(Err(CallError::Ended(end.clone()))));
                    return end;
                }
            }
        }
    }

    /// Runs what a library exports to be called before everything else.
    async fn initialize(&mut self) -> Result<(), End> {
        let initialize = self.instance.get_func(&*self.store, INITIALIZE);
        match initialize.filter(|it| takes_and_returns_nothing(it, &self.store)) {
            Some(initialize) => self.execute(initialize, &[], &mut []).await,
            None => Ok(()),
        }
    }

    /// Calls an export and writes what it returns to standard output.
    async fn invoke(&mut self, invocation: &Invocation) -> Result<End, End> {
        let function = self.instance.get_func(&*self.store, &invocation.function);
        let Some(function) = function.filter(|_| invocation.function != START_EXPORT) else {
            let exports = self.instance.exports(&*self.store).filter(|export| export.name() != START_EXPORT);
            let functions = exports.filter(|export| export.clone().into_func().is_some());
            return Err(End::FailedToStart(invocation.unknown(functions.map(|export| export.name()))));
        };
        let ty = function.ty(&*self.store);
        let types: Vec<_> = ty.params().iter().map(|ty| value_type(*ty)).collect();
        let arguments = invocation.values(&types).map_err(End::FailedToStart)?;
        let arguments: Vec<Val> = arguments.into_iter().map(to_val).collect();
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        // Which is itself what may have been asked for.
        if invocation.function != INITIALIZE {
            self.initialize().await?;
        }
        self.execute(function, &arguments, &mut results).await?;
        let text: String = results.iter().map(|result| shown(result) + "\n").collect();
        self.print(text).await
    }

    /// Writes to standard output as the program would.
    async fn print(&mut self, text: String) -> Result<End, End> {
        let mut output = Printing::new(text);
        while !output.is_done() {
            let begun = output.begin(self.store.data_mut());
            let reply = match begun {
                Some(reply) => reply,
                None => {
                    poll_fn(|cx| match self.interrupts.poll(cx) {
                        Poll::Ready(end) => Poll::Ready(Reply::End(end)),
                        Poll::Pending => output.poll(self.store.data_mut(), cx),
                    })
                    .await
                }
            };
            match reply {
                Reply::Errno(Errno::Success) if output.advance() => {}
                // Nothing takes it: the call worked, and what it was made for did not.
                Reply::Errno(_) => return Ok(End::Exited(NOT_PRINTED)),
                Reply::End(end) => return Err(end),
            }
        }
        Ok(End::Exited(0))
    }

    /// Runs the module's start function, which comes before everything else.
    async fn start_section(&mut self) -> Result<(), End> {
        let Some(start) = self.instance.get_func(&*self.store, START_EXPORT) else { return Ok(()) };
        if !takes_and_returns_nothing(&start, &self.store) {
            return Err(End::FailedToStart("the start function takes or returns something".into()));
        }
        self.execute(start, &[], &mut []).await
    }

    /// Finds an exported function and checks the arguments for it.
    fn export(&self, name: &str, arguments: &[Value]) -> Result<(Func, Vec<Val>, Vec<Val>), String> {
        let export = self.instance.get_export(&*self.store, name);
        let function = export.and_then(Extern::into_func).filter(|_| name != START_EXPORT);
        let function = function.ok_or_else(|| format!("no exported function {name:?}"))?;
        let ty = function.ty(&*self.store);
        let arguments: Vec<Val> = arguments.iter().map(|&value| to_val(value)).collect();
        if !ty.params().iter().copied().eq(arguments.iter().map(Val::ty)) {
            return Err(format!("{name:?} takes {:?}", ty.params()));
        }
        if ty.results().iter().any(|&ty| value_type(ty).is_none()) {
            return Err(format!("{name:?} returns {:?}", ty.results()));
        }
        let results = ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
        Ok((function, arguments, results))
    }

    async fn call(
        &mut self,
        (function, arguments, mut results): (Func, Vec<Val>, Vec<Val>),
    ) -> Result<Result<Vec<Value>, CallError>, End> {
        self.execute(function, &arguments, &mut results).await?;
        Ok(Ok(results.iter().filter_map(to_value).collect()))
    }

    /// Runs a function to its end, in slices, suspended whenever it waits.
    async fn execute(&mut self, function: Func, arguments: &[Val], results: &mut [Val]) -> Result<(), End> {
        let result = self.drive(function, arguments, results).await;
        // Memory was refused and the program gave up: that is why. A status is its own, and is passed on.
        result.map_err(|end| match end {
            End::Trap(_) if self.store.data().limiter.out_of_memory() => End::OutOfMemory,
            end => end,
        })
    }

    async fn drive(&mut self, function: Func, arguments: &[Val], results: &mut [Val]) -> Result<(), End> {
        self.next_turn().await?;
        fuel::give(&mut self.store, 0)?;
        let mut step = function.call_resumable(&mut *self.store, arguments, results);
        loop {
            fuel::settle(&mut self.store);
            step = match step {
                Ok(ResumableCall::Finished) => return Ok(()),
                Ok(ResumableCall::OutOfFuel(call)) => {
                    self.next_slice(call.required_fuel()).await?;
                    call.resume(&mut *self.store, results)
                }
                Ok(ResumableCall::HostTrap(call)) => {
                    let (errno, turn) = self.reply(call.host_error()).await?;
                    // Without a turn of the others in between the slice goes on.
                    if turn == Turn::Taken {
                        self.store.data_mut().fuel.begin_turn();
                        fuel::give(&mut self.store, 0)?;
                    }
                    call.resume(&mut *self.store, &[Val::I32(errno)], results)
                }
                Err(error) if error.as_resumable_fuel().is_some() => {
                    // The function is being translated: nothing of it has run yet.
                    self.next_slice(error.as_resumable_fuel().unwrap_or(0)).await?;
                    function.call_resumable(&mut *self.store, arguments, results)
                }
                Err(error) if error.downcast_ref::<Pause>().is_some() => {
                    // The export is itself an imported function: there is no guest to resume.
                    let (errno, _) = self.reply(&error).await?;
                    results.iter_mut().for_each(|result| *result = Val::I32(errno));
                    return Ok(());
                }
                Err(error) => return Err(self.failure(&error)),
            };
        }
    }

    /// Gives the guest its next slice, after a turn of the others if its own is over.
    async fn next_slice(&mut self, required: u64) -> Result<(), End> {
        fuel::give(&mut self.store, required)?;
        if self.store.data().fuel.is_turn_over() {
            self.next_turn().await?;
        }
        Ok(())
    }

    async fn next_turn(&mut self) -> Result<(), End> {
        self.interrupts.yield_now().await?;
        self.store.data_mut().fuel.begin_turn();
        Ok(())
    }

    /// The end that an error of the engine means.
    fn failure(&self, error: &wasmi::Error) -> End {
        // A program that gives up does what is unreachable; all other traps are their own reasons.
        if error.as_trap_code() != Some(TrapCode::UnreachableCodeReached) {
            self.interrupts.control().trap_says_why();
        }
        if error.as_trap_code() == Some(TrapCode::StackOverflow) {
            let refusal = Refusal { import: "a nested call", missing: Missing::Stack };
            self.interrupts.control().refuse(refusal);
        }
        let backtrace = self.module.compiled.module().backtrace(&*self.store);
        // A start function that was made an export has kept its index.
        end_of(error, self.store.data().fuel.limit(), || name_all(&self.module.bytes, &backtrace))
    }

    /// Waits for the reply to the call that paused the guest, unless the instance ends first.
    async fn reply(&mut self, error: &wasmi::Error) -> Result<(i32, Turn), End> {
        match error.downcast_ref::<Pause>() {
            Some(Pause::Suspended) => {}
            Some(Pause::Ended(end)) => return Err(end.clone()),
            None => return Err(self.failure(error)),
        }
        let mut turn = Turn::Kept;
        let reply = poll_fn(|cx| {
            if let Poll::Ready(end) = self.interrupts.poll(cx) {
                return Poll::Ready(Err(end));
            }
            let reply = poll_reply(&mut self.store, cx);
            if reply.is_pending() {
                turn = Turn::Taken;
            }
            reply
        });
        let errno = reply.await?;
        Ok((errno.cast_signed(), turn))
    }
}

/// Whether other tasks had a turn while the guest waited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Kept,
    Taken,
}

fn takes_and_returns_nothing(function: &Func, store: &Store<HostData>) -> bool {
    let ty = function.ty(store);
    ty.params().is_empty() && ty.results().is_empty()
}

fn to_val(value: Value) -> Val {
    match value {
        Value::I32(value) => Val::I32(value),
        Value::I64(value) => Val::I64(value),
        Value::F32(value) => Val::F32(value.into()),
        Value::F64(value) => Val::F64(value.into()),
    }
}

fn to_value(value: &Val) -> Option<Value> {
    match *value {
        Val::I32(value) => Some(Value::I32(value)),
        Val::I64(value) => Some(Value::I64(value)),
        Val::F32(value) => Some(Value::F32(value.into())),
        Val::F64(value) => Some(Value::F64(value.into())),
        _ => None,
    }
}
