//! Runs one worker, from its start to the sealed code.

use std::cell::Cell;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use capnp::{Error, Result};
use capos_rt::{sleep, spawn_local};
use capos_schema::process_capnp::{UsedUp, exit_cause, process};
use futures::future::{Either, select};

use super::Service;
use super::code::Code;
use super::job::JobServer;
use super::module::Module;
use crate::settings::Settings;
use crate::slots::Slot;

/// Interval between looks at a worker's processor time.
const LOOK: Duration = Duration::from_millis(250);
/// How many times its processor time a worker may take by the clock.
const PATIENCE: u32 = 20;
/// The status of a program that aborted.
const ABORTED: i32 = 134;

/// A compilation to do.
pub(super) struct Job {
    pub(super) module: Module,
    pub(super) settings: Settings,
    /// May become true meanwhile.
    pub(super) is_urgent: Rc<Cell<bool>>,
    pub(super) progress: Rc<Cell<(u32, u32)>>,
}

/// A worker, killed when this is dropped; its slot is free when it has ended.
struct Running {
    process: process::Client,
    slot: Option<Slot>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let process = self.process.clone();
        spawn_local(async move {
            kill(&process).await.ok();
            drop(slot);
        });
    }
}

/// Has a worker compile, and seals what it made. `None` if the worker was ended since it ran at the lowest priority, where it may
/// not get on at all, while an urgent request waits for it or for its slot.
pub(super) async fn run(service: &Rc<Service>, job: Job, slot: Slot) -> Result<Option<(Rc<Code>, Slot)>> {
    let options = &service.options;
    let (was_urgent, is_urgent) = (job.is_urgent.get(), job.is_urgent.clone());
    let (worker_bytes, worker_time) =
        (options.worker_bytes(job.module.length), options.worker_time(job.module.length));
    let is_in_the_way = || !was_urgent && (is_urgent.get() || service.slots.has_urgent());
    let server = Rc::new(JobServer::new(service, job.progress.clone()));
    // A task of its own, so that a worker is not forgotten if this is cancelled while it is being started.
    let mut running = spawn_local(start(service.clone(), job, was_urgent, server.clone(), slot)).await?;
    let watched = watch(&running.process, &server, worker_time, is_in_the_way).await;
    if let Watched::Over = watched {
        // It has delivered, so it ends by itself, unless it is not the program that was started.
        select(running.process.wait_request().send().promise, pin!(sleep(LOOK))).await;
    }
    // Until the worker has ended, it can change what it delivered.
    let cause = end(&running.process, worker_bytes).await?;
    let slot = running.slot.take().ok_or_else(|| Error::failed("the slot is gone".into()))?;
    match server.take() {
        Some(Ok((object, length))) => {
            Code::seal(object, length, service.counters.clone()).await.map(|code| Some((code, slot)))
        }
        Some(Err(reason)) => Err(Error::failed(reason)),
        None => match watched {
            Watched::Over => Err(Error::failed(cause)),
            Watched::Late(reason) => Err(Error::failed(reason)),
            Watched::InTheWay => Ok(None),
        },
    }
}

/// Starts a worker.
async fn start(
    service: Rc<Service>,
    job: Job,
    is_urgent: bool,
    server: Rc<JobServer>,
    slot: Slot,
) -> Result<Running> {
    let client = capos_rt::serve_rc(server);
    let Job { module, settings, .. } = job;
    let process = service.launcher.start(&service.options, &module, settings, is_urgent, client).await;
    let process =
        process.map_err(|error| Error::failed(format!("no worker can be started: {}", error.extra)))?;
    Ok(Running { process, slot: Some(slot) })
}

/// The reason for which waiting for a worker is over.
enum Watched {
    /// It has ended or is done.
    Over,
    /// It is to be ended for this reason.
    Late(String),
    /// It is to be ended, and another one started.
    InTheWay,
}

/// Waits until the worker has ended or is done, or must end.
async fn watch(
    process: &process::Client,
    server: &JobServer,
    most: Duration,
    is_in_the_way: impl Fn() -> bool,
) -> Watched {
    let ended = process.wait_request().send().promise;
    let mut over = pin!(select(ended, Box::pin(server.over())));
    let mut waited = Duration::ZERO;
    loop {
        match select(over.as_mut(), pin!(sleep(LOOK))).await {
            Either::Left(_) => return Watched::Over,
            Either::Right(_) => waited = waited.saturating_add(LOOK),
        }
        if is_in_the_way() {
            return Watched::InTheWay;
        }
        let used = used_time(process).await.unwrap_or_default();
        if used > most {
            let most = most.as_secs_f64();
            return Watched::Late(format!(
                "the compiler took longer than {most} s of processor time (its limit is `compiler: worker: time`)"
            ));
        }
        if waited > most.saturating_mul(PATIENCE) {
            return Watched::Late(format!("the compiler took longer than {} s", waited.as_secs()));
        }
    }
}

async fn used_time(process: &process::Client) -> Result<Duration> {
    let response = process.resource_use_request().send().promise.await?;
    Ok(Duration::from_nanos(response.get()?.get_use()?.get_cpu_nanoseconds()))
}

async fn kill(process: &process::Client) -> Result<()> {
    process.kill_request().send().promise.await?;
    process.wait_request().send().promise.await.map(drop)
}

/// Ends a worker, and says how it ended.
async fn end(process: &process::Client, worker_bytes: u64) -> Result<String> {
    process.kill_request().send().promise.await?;
    let response = process.wait_request().send().promise.await?;
    let cause = response.get()?.get_cause()?;
    Ok(match cause.which()? {
        exit_cause::Exited(ABORTED) => "the compiler aborted".to_owned(),
        exit_cause::Exited(status) => format!("the compiler ended with status {status} and no result"),
        exit_cause::Killed(()) => "the compiler was ended".to_owned(),
        exit_cause::Fault(fault) => {
            let fault = fault?;
            let (at, address) = (fault.get_instruction_pointer(), fault.get_address());
            format!(
                "the compiler ended by a fault at {at:#x}: exception {}, address {address:#x}",
                fault.get_vector()
            )
        }
        exit_cause::OutOfMemory(_) => match cause.get_used_up()? {
            UsedUp::Budget => {
                let limit = worker_bytes >> 20;
                format!(
                    "the compiler ran out of its {limit} MiB of memory (its limit is `compiler: worker: memory`)"
                )
            }
            UsedUp::Machine => "the machine ran out of memory".to_owned(),
        },
    })
}
