//! Starting instances.

use crate::{
    End, InstanceHandle, Launch, Limits,
    engine::wasmi::instantiate,
    instance::{Control, Interrupts, command_queue},
    wasi::{Context, Grants},
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
        let interrupts = match self.interrupts(&control, &spec.limits) {
            Ok(interrupts) => interrupts,
            Err(reason) => {
                control.finish(End::FailedToStart(reason));
                return handle;
            }
        };
        let context = Context::new(spec.launch, spec.grants, control.clone());
        let instance =
            instantiate(spec.module, &spec.module_name, &spec.name, context, spec.limits, interrupts);
        let mut instance = match instance {
            Ok(instance) => instance,
            Err(end) => {
                control.finish(end);
                return handle;
            }
        };
        (self.config.spawn)(Box::pin(async move {
            let end = match spec.run {
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
