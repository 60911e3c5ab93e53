//! Starting instances.

use crate::{
    Discard, End, Grants, InstanceHandle, Launch, Limits, NamedGrant, Options,
    account::Control,
    cache::Cache,
    engine::{Engine, EngineKind, Settings, check_early},
    instance::{Command, Compiled, Plan, command_queue, run, serve, unless_killed},
    pace::Pace,
    preview1::Preview1,
    resources::{Clocks, FastClock, FastSleep},
};
use capos_schema::timer_capnp::timer;
use futures::{channel::mpsc, future::LocalBoxFuture};
use std::{
    borrow::Cow,
    rc::Rc,
    task::{Context, Waker},
};

/// A longer reason is cut: it may hold names that the module chose, and goes into a message and the log.
const MAX_REASON_BYTES: usize = 2000;

/// Runs a future on the embedder's single-threaded executor until it ends.
pub type Spawn = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// The services that a host needs from its embedder.
#[derive(Clone)]
pub struct HostConfig {
    /// The executor.
    pub spawn: Spawn,
    /// The host's own timer, for wall time limits and for pauses before a restart. It is not given to instances.
    pub timer: Option<timer::Client>,
    /// The host's own clock, by which it tells how long a start took.
    pub clock: Option<FastClock>,
    /// A cheaper way to wait for `timer`'s time.
    pub sleep: Option<FastSleep>,
    /// Gives back memory in parts; without it an instance's memory is freed in one go.
    pub discard: Option<Discard>,
    /// About how much memory compiled modules may take that no instance uses, so that starting one of them again
    /// is quick.
    pub module_cache_bytes: usize,
}

/// An instance to start.
pub struct InstanceSpec {
    /// The WebAssembly binary.
    pub module: Cow<'static, [u8]>,
    /// The module's name in messages.
    pub module_name: String,
    /// The instance's name in messages.
    pub name: String,
    /// Arguments and environment.
    pub launch: Launch,
    /// The capabilities of the instance that WASI has words for.
    pub grants: Grants,
    /// Every capability that it holds by name, those among them.
    pub named: Vec<NamedGrant>,
    /// Its limits.
    pub limits: Limits,
    /// Call `_start` at once and end when it returns, rather than wait for calls.
    pub run: bool,
    /// The rest.
    pub options: Options,
}

/// Starts instances, each with its own capabilities and limits, all on one thread. Instances of equal modules
/// share what the module was compiled to.
pub struct Host {
    config: HostConfig,
    engine: Rc<dyn Engine<Preview1>>,
    modules: Rc<Cache<Settings, Compiled>>,
}

impl Host {
    /// A host without instances.
    pub fn new(config: HostConfig) -> Self {
        Self::with_engine(config, EngineKind::default())
    }

    /// A host without instances whose engine is another than the default.
    pub fn with_engine(config: HostConfig, engine: EngineKind) -> Self {
        let modules = Rc::new(Cache::new(config.module_cache_bytes));
        Self { config, engine: engine.engine(), modules }
    }

    /// Compiles and instantiates a module and lets it run. A failure is the instance's end,
    /// [`End::FailedToStart`]. Both are done in turns with everything else; a small module is started, or has failed,
    /// when this returns, and [`InstanceHandle::started`] tells of others.
    pub fn start(&self, mut spec: InstanceSpec) -> InstanceHandle {
        let control = Rc::new(Control::new(&spec.limits));
        control.hold(std::mem::take(&mut spec.named));
        let (sender, commands) = command_queue();
        let handle = InstanceHandle::new(control.clone(), sender);
        let (config, engine, modules) = (self.config.clone(), self.engine.clone(), self.modules.clone());
        let mut life: LocalBoxFuture<'static, ()> = Box::pin(async move {
            let names = (spec.name.clone(), spec.module_name.clone());
            // In memory of its own, which an instance does not keep for its whole life.
            let make = Box::pin(make(&config, &*engine, &modules, spec, commands, control.clone()));
            let made = unless_killed(&control, make).await;
            let end = match made {
                Some(Ok(life)) => {
                    control.set_started();
                    // Its capabilities go with it, before anybody learns of the end.
                    life.await
                }
                Some(Err(reason)) => failed(&names, &reason),
                None => End::Killed,
            };
            control.finish(end);
        });
        let mut unheard = Context::from_waker(Waker::noop());
        if life.as_mut().poll(&mut unheard).is_pending() {
            (self.config.spawn)(life);
        }
        handle
    }
}

/// Makes an instance; the future that it resolves with is the instance's life.
async fn make(
    config: &HostConfig,
    engine: &dyn Engine<Preview1>,
    modules: &Cache<Settings, Compiled>,
    spec: InstanceSpec,
    commands: mpsc::UnboundedReceiver<Command>,
    control: Rc<Control>,
) -> Result<LocalBoxFuture<'static, End>, String> {
    let mut pace = Pace::new(config.clock.clone());
    let settings = Settings::new(&spec.limits, spec.options.unknown_imports);
    let begun = config.now_ns();
    let module = match modules.get_placed(&spec.module, settings) {
        Some(module) => Ok(module),
        None => {
            let compile = async |bytes: &[u8], pace: &mut Pace| {
                // What was compiled before has passed, except for limits, which instantiation looks at, too.
                let unknown = spec.options.unknown_imports;
                check_early::<Preview1>(engine.name(), bytes, &spec.limits, unknown, pace).await?;
                engine.compile(bytes, settings, pace).await
            };
            // In memory of its own, since a start of a module that is here needs none of it.
            Box::pin(modules.get(spec.module, settings, &mut pace, compile)).await
        }
    };
    control.set_compile_time(config.now_ns().saturating_sub(begun));
    let plan = Plan {
        module: module?,
        launch: spec.launch,
        grants: spec.grants,
        limits: spec.limits,
        clocks: Clocks::new(config.timer.clone(), config.clock.clone(), config.sleep.clone(), None),
        discard: config.discard,
        control,
    };
    match spec.run {
        true => run(plan, spec.options, &mut pace).await,
        false => serve(plan, commands, &mut pace).await,
    }
}

fn failed((name, module_name): &(String, String), reason: &str) -> End {
    let mut reason = format!("instance {name:?} of module {module_name:?}: {reason}");
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    End::FailedToStart(reason)
}

impl HostConfig {
    fn now_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock())
    }
}
