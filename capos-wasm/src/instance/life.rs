//! An instance's life: one run, or several according to its restart policy.

use crate::{
    Discard, End, Grants, Launch, Limits, Options, Restart,
    account::{Control, Interrupts},
    cache::Cached,
    engine::Means,
    instance::{Command, Compiled, Invocation, Moving, guest::Guest},
    pace::Pace,
    preview1::{Context, Preview1},
    resources::Clocks,
    tiers::{Code, Upgrade},
};
use capos_restart::Backoff;
use futures::{channel::mpsc, future::LocalBoxFuture};
use std::{future::poll_fn, pin::pin, rc::Rc, task::Poll};

/// The parts from which an instance is created.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) module: Rc<Cached<Compiled>>,
    pub(crate) launch: Launch,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    /// The host's own clocks.
    pub(crate) clocks: Clocks,
    pub(crate) discard: Option<Discard>,
    pub(crate) control: Rc<Control>,
}

impl Plan {
    async fn instantiate(self, pace: &mut Pace) -> Result<Guest, String> {
        let Self { module, launch, grants, limits, clocks, discard, control } = self;
        let now_ns = || clocks.fast_clock().map_or(0, |clock| clock());
        let begun = now_ns();
        let deadline = match limits.wall_time_ns {
            None => None,
            Some(_) if !clocks.has_timer() => {
                return Err("a wall time limit was set and the host has no timer".into());
            }
            Some(length_ns) => {
                let deadline: LocalBoxFuture<'static, End> = Box::pin(deadline(clocks.clone(), length_ns));
                Some(deadline)
            }
        };
        let interrupts = Interrupts::new(control.clone(), deadline);
        let context = Context::new(launch, grants, limits.descriptors, control.clone());
        let clock = clocks.fast_clock();
        let means = Means { host: Preview1::new(context), limits, control: control.clone(), clock, discard };
        let instance = module.compiled.instantiate(means, pace).await?;
        let guest = Guest::new(instance, module, interrupts, clock);
        control.set_instantiate_time(now_ns().saturating_sub(begun));
        Ok(guest)
    }
}

/// Creates an instance that serves calls; the returned future runs it, and moves it as `moving` says.
pub(crate) async fn serve(
    plan: Plan,
    commands: mpsc::UnboundedReceiver<Command>,
    moving: Option<Moving>,
    pace: &mut Pace,
) -> Result<LocalBoxFuture<'static, End>, String> {
    let mut instance = plan.instantiate(pace).await?;
    Ok(Box::pin(async move {
        let end = instance.serve(commands, moving).await;
        instance.free().await;
        end
    }))
}

/// Creates an instance that runs by itself; the returned future runs it, including all restarts. A restart takes the code of
/// `upgrade`, if it is there.
pub(crate) async fn run(
    plan: Plan,
    options: Options,
    upgrade: Option<Rc<Upgrade>>,
    pace: &mut Pace,
) -> Result<LocalBoxFuture<'static, End>, String> {
    let invocation = options.invoke.as_deref().map(|function| Invocation::new(function, &plan.launch));
    if options.restart == Restart::Never {
        let mut instance = plan.instantiate(pace).await?;
        return Ok(Box::pin(async move {
            let end = instance.run(invocation.as_ref()).await;
            instance.free().await;
            end
        }));
    }
    if !plan.clocks.has_timer() {
        return Err("a restart policy was set and the host has no timer".into());
    }
    let first = plan.clone().instantiate(pace).await?;
    let again = Again { plan, options, upgrade };
    Ok(Box::pin(async move { run_again_and_again(first, again, invocation.as_ref()).await }))
}

/// The parts of a restart.
struct Again {
    plan: Plan,
    options: Options,
    upgrade: Option<Rc<Upgrade>>,
}

async fn run_again_and_again(mut instance: Guest, again: Again, invocation: Option<&Invocation>) -> End {
    let Again { mut plan, options, upgrade } = again;
    let (control, clocks) = (&plan.control.clone(), &plan.clocks.clone());
    let mut backoff = Backoff::new();
    loop {
        let begun = clocks.monotonic_ns().await.unwrap_or(0);
        let end = instance.run(invocation).await;
        instance.free().await;
        if !follows(options.restart, &end, control.restarts()) {
            return end;
        }
        // Without a clock, neither the duration of the run nor the pause can be determined, so it is not
        // restarted.
        let Ok(ended) = clocks.monotonic_ns().await else { return end };
        control.set_restarted(&end);
        if let Some(observer) = &options.on_restart {
            observer(&end, control.restarts());
        }
        let pause_ns = backoff.pause_ns(ended.saturating_sub(begun));
        match pause(control, clocks, ended.saturating_add(pause_ns)).await {
            Pause::Over => {}
            Pause::Killed => return End::Killed,
            Pause::Failed => return end,
        }
        let mut pace = Pace::starting(clocks.fast_clock(), control.clone());
        upgrade.as_deref().inspect(|upgrade| upgrade.hurry());
        if let Some(Code::Ready(code)) = upgrade.as_deref().map(Upgrade::code)
            && code.is(&plan.module.bytes, &mut pace).await
        {
            plan.module = code;
        }
        let instantiate = Box::pin(plan.clone().instantiate(&mut pace));
        instance = match until_killed(control, instantiate).await {
            Ok(instance) => instance,
            Err(_) if control.is_killed() => return End::Killed,
            Err(reason) => return End::FailedToStart(reason),
        };
    }
}

/// Whether another run follows. An instance that was killed or could not be started is not restarted.
fn follows(policy: Restart, end: &End, restarts: u32) -> bool {
    !matches!(end, End::Killed | End::FailedToStart(_)) && policy.follows(end.status() != 0, restarts)
}

enum Pause {
    Over,
    Killed,
    Failed,
}

/// Waits until a point in time, or until the instance is killed.
async fn pause(control: &Control, clocks: &Clocks, until_ns: u64) -> Pause {
    let Some(mut sleep) = clocks.sleep_until(until_ns) else { return Pause::Failed };
    poll_fn(|cx| {
        if control.is_killed() {
            return Poll::Ready(Pause::Killed);
        }
        control.set_driver(cx.waker());
        sleep.as_mut().poll(cx).map(|slept| if slept.is_ok() { Pause::Over } else { Pause::Failed })
    })
    .await
}

/// Resolves with the output of `future`, which starts an instance. A kill wakes the task, and `future` checks for it itself: dropping
/// it would free everything it has allocated without a pause.
pub(crate) async fn until_killed<T>(control: &Control, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        control.set_driver(cx.waker());
        future.as_mut().poll(cx)
    })
    .await
}

/// Resolves `wall_time_ns` after it is first polled. Without a working timer the limit cannot be enforced, and the
/// instance is ended at once.
async fn deadline(clocks: Clocks, wall_time_ns: u64) -> End {
    if let Ok(now) = clocks.monotonic_ns().await
        && let Some(sleep) = clocks.sleep_until(now.saturating_add(wall_time_ns))
    {
        // An error also ends the instance.
        let _ = sleep.await;
    }
    End::OutOfTime
}
