//! Running the instances of one manifest entry.

use crate::{
    entry,
    grants::HostGrants,
    pipes::{self, PipeEnds},
    report,
};
use capos_package::{Package, binary};
use capos_rt::{JoinHandle, abi::PAGE_SIZE, grant, serve, serve_export, spawn_local};
use capos_schema::{
    manifest_capnp::{boot_package, instance_entry},
    wasm_capnp::wasm_host,
};
use capos_wasm::{
    End, EngineChoice, EngineKind, Host, HostConfig, RestartObserver,
    server::{ModuleLookup, WasmHost},
};
use std::{future::pending, rc::Rc};

/// Frames of a process without a limit in the manifest.
const DEFAULT_FRAMES: u32 = 16_384;
/// Half of the 16 MiB that a manifest gives a host for itself by default.
const MODULE_CACHE_BYTES: usize = 8 << 20;

/// The state shared by the tasks of all instances.
struct Runner {
    package: boot_package::Reader<'static>,
    held: HostGrants,
    host: Rc<Host>,
}

/// The name of this host's entry: its first argument.
pub(crate) fn own_name() -> String {
    std::env::args().next().unwrap_or_default()
}

/// Runs everything and returns the process's exit status.
pub(crate) async fn run(
    compiled: impl AsyncFnOnce(u64) -> capnp::Result<Option<EngineKind>>,
) -> capnp::Result<i32> {
    let name = own_name();
    let package = Package::map(grant(capos_schema::grants::BOOT_PACKAGE)?).await?;
    // Both live as long as the process, because instances borrow their modules from it.
    let message = Box::leak(Box::new(package.message()?));
    let package: boot_package::Reader<'static> = message.get_root()?;
    let entry = entry::find(package, &name)?;
    let frames = match entry.get_limits()?.get_frames() {
        0 => DEFAULT_FRAMES,
        frames => frames,
    };
    let compiled = compiled(u64::from(frames) * PAGE_SIZE).await?;
    let own = entry.get_wasm_host()?;
    let held = HostGrants::find(own.get_instances()?.iter()).await?;
    let host = Rc::new(Host::with_engines(
        HostConfig {
            spawn: Rc::new(|task| drop(spawn_local(task))),
            timer: held.timer.clone(),
            clock: held.fast_clock,
            sleep: held.fast_sleep.clone(),
            discard: Some(capos_rt::discard_bytes),
            module_cache_bytes: MODULE_CACHE_BYTES,
            engine: EngineChoice::read(own.get_engine()?).unwrap_or_default(),
            note: Some(report::note(&held)),
        },
        EngineKind::default(),
        compiled,
    ));
    if own.get_exports() {
        let modules: ModuleLookup = Rc::new(move |name| binary(package, name).ok());
        let client: wasm_host::Client = serve(WasmHost::new(host.clone(), modules, serve));
        serve_export(capos_schema::names::WASM_HOST_EXPORT, client)?;
    }
    let exit_from = package.get_manifest()?.get_exit_from()?.to_str()?;
    let exit_instance = exit_from.strip_prefix(&*name).and_then(|rest| rest.strip_prefix('/'));
    let runner = Rc::new(Runner { package, held, host });
    let mut waiting = Vec::new();
    let instances = own.get_instances()?;
    let ends = pipes::connect(instances.iter())?;
    for (instance, ends) in instances.iter().zip(ends) {
        let task = start(&runner, instance, ends);
        waiting.push(match own.get_sequence() {
            true => (entry::name(instance)?, PendingStatus::Now(task.await)),
            false => (entry::name(instance)?, PendingStatus::Later(task)),
        });
    }
    if let Some(decisive) = exit_instance {
        // The run ends with this instance, regardless of the others.
        for (name, ended) in waiting {
            if name == decisive {
                return Ok(ended.status().await);
            }
        }
        return Err(capnp::Error::failed(format!(
            "the run is to end with \"{decisive}\", which does not exist"
        )));
    }
    let mut first_failure = 0;
    for (_, ended) in waiting {
        let status = ended.status().await;
        if first_failure == 0 {
            first_failure = status;
        }
    }
    if own.get_exports() {
        // Others may continue to start instances.
        pending::<()>().await;
    }
    Ok(first_failure)
}

/// The exit status of an instance, available or pending.
enum PendingStatus {
    Now(i32),
    Later(JoinHandle<i32>),
}

impl PendingStatus {
    async fn status(self) -> i32 {
        match self {
            Self::Now(status) => status,
            Self::Later(task) => task.await,
        }
    }
}

/// Starts one instance. The task reports its end and returns its status.
fn start(runner: &Rc<Runner>, entry: instance_entry::Reader<'static>, pipes: PipeEnds) -> JoinHandle<i32> {
    let runner = runner.clone();
    spawn_local(async move {
        let name = entry::name(entry).unwrap_or("?");
        let (end, refusals) = match entry::spec(runner.package, entry, &runner.held, pipes).await {
            Ok(mut spec) => {
                report::holds(&runner.held, name, &spec.named).await;
                spec.options.on_restart = Some(tell_restarts(&runner, name));
                let handle = runner.host.start(spec);
                let end = handle.wait().await;
                report::started(&runner.held, name, handle.start_time()).await;
                if handle.is_empty_module() {
                    report::empty_module(&runner.held, name).await;
                }
                let refusals = if end.status() == 0 { handle.unheard() } else { handle.refusals() };
                (end, refusals)
            }
            Err(reason) => (End::FailedToStart(reason), Vec::new()),
        };
        report::ended(&runner.held, name, &end, &refusals).await;
        end.status()
    })
}

/// Logs each restart of the instance `name`.
fn tell_restarts(runner: &Rc<Runner>, name: &'static str) -> RestartObserver {
    let runner = runner.clone();
    Rc::new(move |end, count| {
        let (runner, end) = (runner.clone(), end.clone());
        // Written during the pause before the restart.
        drop(spawn_local(async move { report::restarted(&runner.held, name, &end, count).await }));
    })
}
