//! Starting instances.

use crate::{
    End, HostConfig, InstanceHandle, InstanceSpec,
    account::Control,
    engine::EngineKind,
    instance::{Command, Moving, Plan, command_queue, run, serve, until_killed},
    pace::Pace,
    resources::Clocks,
    tiers::{Choice, Tiers},
};
use futures::{channel::mpsc, future::LocalBoxFuture};
use std::{
    rc::Rc,
    task::{Context, Waker},
};

/// A longer reason is truncated: it may contain names chosen by the module, and is written to a message and
/// the log.
const MAX_REASON_BYTES: usize = 2000;

/// Starts instances, each with its own capabilities and limits, all on one thread. Instances of equal modules
/// share the compiled code.
pub struct Host {
    config: HostConfig,
    tiers: Rc<Tiers>,
}

impl Host {
    /// A host without instances.
    pub fn new(config: HostConfig) -> Self {
        Self::with_engine(config, EngineKind::default())
    }

    /// A host without instances that uses a particular engine.
    pub fn with_engine(config: HostConfig, engine: EngineKind) -> Self {
        Self::with_engines(config, engine, None)
    }

    /// A host without instances that uses one engine, or another for instances that are to run generated code.
    pub fn with_engines(config: HostConfig, engine: EngineKind, compiled: Option<EngineKind>) -> Self {
        let tiers = Rc::new(Tiers::new(&config, engine.engine(), compiled.map(EngineKind::engine)));
        Self { config, tiers }
    }

    /// Compiles and instantiates a module and runs it. A failure is reported as the instance's end,
    /// [`End::FailedToStart`]. Both are done in turns with other tasks; a small module has been started, or has
    /// failed, when this returns. For other modules, use [`InstanceHandle::started`].
    pub fn start(&self, mut spec: InstanceSpec) -> InstanceHandle {
        let control = Rc::new(Control::new(&spec.limits));
        control.hold(std::mem::take(&mut spec.named));
        let (sender, commands) = command_queue();
        let handle = InstanceHandle::new(control.clone(), sender);
        let (config, tiers) = (self.config.clone(), self.tiers.clone());
        let mut life: LocalBoxFuture<'static, ()> = Box::pin(async move {
            let names = (spec.name.clone(), spec.module_name.clone());
            // Boxed, so that the instance's task does not keep this state for its whole life.
            let make = Box::pin(make(&config, &tiers, spec, commands, control.clone()));
            let made = until_killed(&control, make).await;
            let end = match made {
                Ok(life) => {
                    if !control.is_killed() {
                        control.set_started();
                    }
                    // The capabilities are dropped before the end is reported.
                    life.await
                }
                Err(_) if control.is_killed() => End::Killed,
                Err(reason) => failed(&names, &reason),
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

/// Creates an instance; the returned future runs it.
async fn make(
    config: &HostConfig,
    tiers: &Rc<Tiers>,
    mut spec: InstanceSpec,
    commands: mpsc::UnboundedReceiver<Command>,
    control: Rc<Control>,
) -> Result<LocalBoxFuture<'static, End>, String> {
    let mut pace = Pace::starting(config.clock, control.clone());
    let begun = config.now_ns();
    let choice = tiers.module(&mut spec, config, &mut pace).await;
    control.set_compile_time(config.now_ns().saturating_sub(begun));
    let Choice { module, upgrade } = choice?;
    let plan = Plan {
        module,
        launch: spec.launch,
        grants: spec.grants,
        limits: spec.limits,
        clocks: Clocks::new(config.timer.clone(), config.clock, config.sleep.clone(), None),
        discard: config.discard,
        control,
    };
    match spec.run {
        true => run(plan, spec.options, upgrade, &mut pace).await,
        false => {
            let moving = upgrade.map(|upgrade| Moving::new(upgrade, plan.limits, spec.name, config));
            serve(plan, commands, moving, &mut pace).await
        }
    }
}

fn failed((name, module_name): &(String, String), reason: &str) -> End {
    let mut reason = format!("instance {name:?} of module {module_name:?}: {reason}");
    reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
    End::FailedToStart(reason)
}
