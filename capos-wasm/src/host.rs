//! Starting instances.

use crate::{
    End, InstanceHandle, Launch, Limits, Restart,
    cache::{Cache, Cached},
    engine::wasmi::{Compiled, Settings, compile},
    instance::{Control, command_queue},
    run::{Clocks, Plan, run, serve},
    wasi::{FastClock, FastSleep, Grants},
};
use capos_schema::timer_capnp::timer;
use futures::future::LocalBoxFuture;
use std::{borrow::Cow, cell::RefCell, rc::Rc};

/// A longer reason is cut: it may hold names that the module chose, and goes into a message and the log.
const MAX_REASON_BYTES: usize = 2000;

/// Runs a future on the embedder's single-threaded executor until it ends.
pub type Spawn = Rc<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// Is told of the end that was the reason to start an instance again, and how often that was done.
pub type RestartObserver = Rc<dyn Fn(&End, u32)>;

/// What a host needs from its embedder.
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
    /// About how much memory compiled modules may take that no instance uses, so that starting one of them again
    /// is quick.
    pub module_cache_bytes: usize,
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
    /// The rest.
    pub options: Options,
}

/// What is done about imported functions that the host does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnknownImports {
    /// The module does not start.
    #[default]
    Deny,
    /// They trap when they are called.
    Trap,
}

/// What starting an instance may leave out.
#[derive(Clone, Default)]
pub struct Options {
    /// What follows when an instance that runs by itself has ended. The limits hold for each run of it.
    pub restart: Restart,
    /// Is told before the instance is started again.
    pub on_restart: Option<RestartObserver>,
    /// What is done about imported functions that the host does not know.
    pub unknown_imports: UnknownImports,
}

/// Starts instances, each with its own capabilities and limits, all on one thread. Instances of equal modules
/// share what the module was compiled to.
pub struct Host {
    config: HostConfig,
    modules: RefCell<Cache<Settings, Compiled>>,
}

impl Host {
    /// A host without instances.
    pub fn new(config: HostConfig) -> Self {
        let modules = RefCell::new(Cache::new(config.module_cache_bytes));
        Self { config, modules }
    }

    /// Compiles and instantiates a module and lets it run. A failure is the instance's end,
    /// [`End::FailedToStart`], and known when this returns.
    pub fn start(&self, spec: InstanceSpec) -> InstanceHandle {
        let control = Rc::new(Control::new(&spec.limits));
        let (sender, commands) = command_queue();
        let handle = InstanceHandle::new(control.clone(), sender);
        let (name, module_name) = (spec.name.clone(), spec.module_name.clone());
        let fail = |reason: String| {
            let mut reason = format!("instance {name:?} of module {module_name:?}: {reason}");
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
            control.finish(End::FailedToStart(reason));
        };
        let begun = self.config.now_ns();
        let module = self.module(spec.module, Settings::new(&spec.limits, spec.options.unknown_imports));
        control.set_compile_time(self.config.now_ns().saturating_sub(begun));
        let plan = module.map(|module| Plan {
            module,
            launch: spec.launch,
            grants: spec.grants,
            limits: spec.limits,
            clocks: Clocks {
                timer: self.config.timer.clone(),
                fast: self.config.clock.clone(),
                sleep: self.config.sleep.clone(),
            },
            control: control.clone(),
        });
        let started: Result<LocalBoxFuture<'static, ()>, String> = match spec.run {
            true => plan.and_then(|plan| run(plan, spec.options)),
            false => plan.and_then(|plan| serve(plan, commands)),
        };
        match started {
            Ok(task) => (self.config.spawn)(task),
            Err(reason) => fail(reason),
        }
        handle
    }

    fn module(&self, bytes: Cow<'static, [u8]>, settings: Settings) -> Result<Rc<Cached<Compiled>>, String> {
        self.modules.borrow_mut().get(bytes, settings, |bytes| compile(bytes, settings))
    }
}

impl HostConfig {
    fn now_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, |clock| clock())
    }
}
