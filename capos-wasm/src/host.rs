//! Starting instances.

use crate::{
    End, InstanceHandle, Launch, Limits,
    engine::wasmi::{Instance, compile, instantiate},
    instance::{Control, Interrupts, StartTime, command_queue},
    wasi::{Context, FastClock, Grants},
};
use capos_schema::timer_capnp::timer;
use futures::future::LocalBoxFuture;
use std::{borrow::Cow, rc::Rc};

/// Runs a future on the embedder's single-threaded executor until it ends.
pub type Spawn = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// What a host needs from its embedder.
#[derive(Clone)]
pub struct HostConfig {
    /// The executor.
    pub spawn: Spawn,
    /// The host's own timer, for wall time limits. It is not given to instances.
    pub timer: Option<timer::Client>,
    /// The host's own clock, by which it tells how long a start took.
    pub clock: Option<FastClock>,
}

/// What to start.
pub struct InstanceSpec {
    /// The WebAssembly binary.
    pub module: Cow<'static, [u8]>,
    /// What messages call the module.
    pub module_name: String,
    /// What messages call the instance.
    pub name: String,
    /// Arguments and environment.
    pub launch: Launch,
    /// What the instance holds.
    pub grants: Grants,
    /// What it may use.
    pub limits: Limits,
    /// Call `_start` at once and end when it returns, rather than wait for calls.
    pub run: bool,
}

/// Starts instances, each with its own capabilities and limits, all on one thread.
pub struct Host {
    config: HostConfig,
}

impl Host {
    /// A host without instances.
    pub fn new(config: HostConfig) -> Self {
        Self { config }
    }

    /// Compiles and instantiates a module and lets it run. A failure is the instance's end,
    /// [`End::FailedToStart`], and known when this returns.
    pub fn start(&self, spec: InstanceSpec) -> InstanceHandle {
        let control = Rc::new(Control::new(&spec.limits));
        let (sender, commands) = command_queue();
        let handle = InstanceHandle::new(control.clone(), sender);
        let (run, name, module_name) = (spec.run, spec.name.clone(), spec.module_name.clone());
        let mut instance = match self.prepare(spec, &control) {
            Ok(instance) => instance,
            Err(reason) => {
                let reason = format!("instance {name:?} of module {module_name:?}: {reason}");
                control.finish(End::FailedToStart(reason));
                return handle;
            }
        };
        (self.config.spawn)(Box::pin(async move {
            let end = match run {
                true => {
                    drop(commands);
                    instance.run().await
                }
                false => instance.serve(commands).await,
            };
            // Its capabilities go before anybody learns of the end.
            drop(instance);
            control.finish(end);
        }));
        handle
    }

    fn prepare(&self, spec: InstanceSpec, control: &Rc<Control>) -> Result<Instance, String> {
        let now_ns = || self.config.clock.as_ref().map_or(0, |clock| clock());
        let interrupts = self.interrupts(control, &spec.limits)?;
        let begun = now_ns();
        let compiled = compile(spec.module, &spec.limits)?;
        let compile_ns = now_ns().saturating_sub(begun);
        let begun = now_ns();
        let context = Context::new(spec.launch, spec.grants, spec.limits.descriptors, control.clone());
        let instance = instantiate(compiled, context, &spec.limits, interrupts)?;
        let instantiate_ns = now_ns().saturating_sub(begun);
        control.set_start_time(StartTime { compile_ns, instantiate_ns });
        Ok(instance)
    }

    fn interrupts(&self, control: &Rc<Control>, limits: &Limits) -> Result<Interrupts, String> {
        let Some(wall_time_ns) = limits.wall_time_ns else {
            return Ok(Interrupts::new(control.clone(), None));
        };
        let timer = self.config.timer.clone();
        let timer = timer.ok_or("a wall time limit was set and the host has no timer")?;
        let deadline = Box::pin(deadline(timer, wall_time_ns));
        Ok(Interrupts::new(control.clone(), Some(deadline)))
    }
}

/// Resolves `wall_time_ns` after it is first polled. Without a working timer the limit cannot be kept, and
/// the instance's time is over at once.
async fn deadline(timer: timer::Client, wall_time_ns: u64) -> End {
    let end: Result<(), capnp::Error> = async {
        let response = timer.now_request().send().promise.await?;
        let now = response.get()?.get_nanoseconds();
        let mut request = timer.sleep_until_request();
        request.get().set_nanoseconds(now.saturating_add(wall_time_ns));
        request.send().promise.await.map(|_| ())
    }
    .await;
    // Both outcomes are the end of the time that can be given.
    let _ = end;
    End::OutOfTime
}
