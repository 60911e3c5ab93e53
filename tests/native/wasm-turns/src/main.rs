//! Starts modules that keep their host busy, one after the other, in the host granted as "wasm-host", and reports the
//! longest time that a neighbour of each had to wait for its turn.
//!
//! Arguments choose modules by parts of their names, and the times are told then.

mod assemble;
mod bodies;
mod calls;
mod folder;
mod hogs;
mod starts;

use capnp::Error;
use capos_rt::schema::grants::{ENTROPY, TIMER, hold};
use capos_rt::schema::{
    entropy_capnp::entropy_source,
    timer_capnp::timer,
    wasm_capnp::{instance_end, value, wasm_host, wasm_instance},
};
use capos_rt::{grant, spawn_local};
use std::cell::Cell;
use std::rc::Rc;

/// How long a neighbour polls the clock.
const WATCH_NS: i64 = 20_000_000;
/// The same, beside a module that ends: until it has, if that is within so many times as long.
const LONG_WATCH_NS: i64 = 100_000_000;
const LONG_WATCHES: u32 = 200;
/// A watcher that alternates with nothing waits no longer than this.
const IDLE_NS: i64 = 100_000;
/// Time after which an instance is given up that is being started.
const KILL_AFTER_NS: u64 = 20_000_000;
/// As many elements of tables as a module can have from its start.
const TABLE_ELEMENTS: u32 = 10_000_000;
/// Room for calls; their values and frames can take some 90 MiB then.
const STACK_BYTES: u64 = 8 << 20;
/// No turn is longer, by the time in which every instruction takes a nanosecond.
const MOST_NS: i64 = 1_000_000;

/// How a start ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    Ran,
    Refused,
}

#[derive(Clone)]
struct Hosts {
    host: wasm_host::Client,
    timer: timer::Client,
    entropy: entropy_source::Client,
}

impl Hosts {
    /// Starts an instance that keeps the host busy.
    async fn hog(&self, module: &[u8]) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        spec.reborrow().init_module().set_bytes(module);
        spec.set_name("hog");
        spec.set_run(true);
        let mut limits = spec.reborrow().init_limits();
        limits.set_table_elements(TABLE_ELEMENTS);
        limits.set_stack_bytes(STACK_BYTES);
        let mut held = spec.init_grants().init_grants(2);
        hold(held.reborrow().get(0), TIMER, self.timer.clone());
        hold(held.get(1), ENTROPY, self.entropy.clone());
        request.send().promise.await?.get()?.get_instance()
    }

    /// Starts a module from a file, as one of any length can be. Functions that it imports trap.
    async fn start_file(&self, module: Vec<u8>) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        let mut file = spec.reborrow().init_module().init_file();
        file.set_directory(folder::folder_of(module));
        file.set_path(b"hog.wasm");
        spec.set_name("hog");
        spec.set_run(true);
        spec.reborrow().init_options().set_trap_unknown_imports(true);
        spec.init_limits().set_table_elements(TABLE_ELEMENTS);
        request.send().promise.await?.get()?.get_instance()
    }

    async fn sleep(&self, length_ns: u64) -> Result<(), Error> {
        let now = self.timer.now_request().send().promise.await?.get()?.get_nanoseconds();
        let mut request = self.timer.sleep_until_request();
        request.get().set_nanoseconds(now + length_ns);
        request.send().promise.await.map(drop)
    }

    /// Starts an instance that polls the clock when called.
    async fn watcher(&self) -> Result<wasm_instance::Client, Error> {
        let mut request = self.host.start_request();
        let mut spec = request.get().init_spec();
        spec.reborrow().init_module().set_named("turns-watch");
        spec.set_name("watcher");
        hold(spec.init_grants().init_grants(1).get(0), TIMER, self.timer.clone());
        request.send().promise.await?.get()?.get_instance()
    }
}

/// The longest time between two polls of the clock, within `watch_ns`.
async fn longest_gap(watcher: &wasm_instance::Client, watch_ns: i64) -> Result<i64, Error> {
    let mut request = watcher.call_request();
    let mut params = request.get();
    params.set_function("watch");
    params.init_arguments(1).get(0).set_i64(watch_ns);
    let response = request.send().promise.await?;
    match response.get()?.get_results()?.get(0).which()? {
        value::I64(gap_ns) => Ok(gap_ns),
        _ => Err(Error::failed("watch returned something else".to_owned())),
    }
}

/// The same, until `wait`, the end of a hog, is ready.
async fn longest_gap_until(
    watcher: &wasm_instance::Client,
    wait: impl Future<Output = Result<How, Error>> + 'static,
) -> Result<(i64, How), Error> {
    let ended = Rc::new(Cell::new(None));
    let told = ended.clone();
    drop(spawn_local(async move { told.set(Some(wait.await)) }));
    let mut longest = 0;
    for _ in 0..LONG_WATCHES {
        longest = longest.max(longest_gap(watcher, LONG_WATCH_NS).await?);
        if let Some(result) = ended.take() {
            return result.map(|how| (longest, how));
        }
    }
    Err(Error::failed("it does not end".to_owned()))
}

/// The modules to try, as chosen by the arguments.
struct Choice(Vec<String>);

impl Choice {
    fn has(&self, name: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|part| name.contains(part.as_str()))
    }

    fn tell(&self, name: &str, gap_ns: i64, how: How) {
        let refused = if how == How::Refused { ", refused" } else { "" };
        match gap_ns {
            _ if !self.0.is_empty() => println!("{name}{refused}: {gap_ns} ns"),
            ..MOST_NS => println!("{name}{refused}: within a millisecond"),
            _ => println!("{name}{refused}: {gap_ns} ns"),
        }
    }
}

/// Kills an instance that must still run.
async fn killed(name: &str, hog: &wasm_instance::Client) -> Result<(), Error> {
    hog.kill_request().send().promise.await?;
    let end = hog.wait_request().send().promise.await?;
    match end.get()?.get_end()?.which()? {
        instance_end::Killed(()) => Ok(()),
        instance_end::Trap(trap) => Err(Error::failed(format!("{name}: {}", trap?.get_message()?.to_str()?))),
        _ => Err(Error::failed(format!("{name}: ended by itself"))),
    }
}

async fn run() -> Result<(), Error> {
    let hosts = Hosts {
        host: grant(capos_rt::schema::names::WASM_HOST_EXPORT)?,
        timer: grant(TIMER)?,
        entropy: grant(ENTROPY)?,
    };
    let choice = Choice(std::env::args().skip(1).collect());
    let watcher = hosts.watcher().await?;
    longest_gap(&watcher, WATCH_NS).await?;
    for (name, module) in hogs::all().into_iter().filter(|(name, _)| choice.has(name)) {
        settle(&watcher).await?;
        let hog = hosts.hog(&module.encode()).await?;
        choice.tell(name, longest_gap(&watcher, WATCH_NS).await?, How::Ran);
        killed(name, &hog).await?;
    }
    for (name, module) in hogs::long().into_iter().filter(|(name, _)| choice.has(name)) {
        settle(&watcher).await?;
        let hog = hosts.start_file(module()).await?;
        choice.tell(name, longest_gap(&watcher, WATCH_NS).await?, How::Ran);
        killed(name, &hog).await?;
    }
    for name in calls::ALL.into_iter().filter(|name| choice.has(name)) {
        settle(&watcher).await?;
        let hog = hosts.caller().await?;
        let mut call = hog.call_request();
        call.get().set_function(name);
        let _calling = call.send().promise;
        choice.tell(name, longest_gap(&watcher, WATCH_NS).await?, How::Ran);
        killed(name, &hog).await?;
    }
    for (name, module) in hogs::ending().into_iter().filter(|(name, _)| choice.has(name)) {
        settle(&watcher).await?;
        let hog = hosts.hog(&module.encode()).await?;
        let end = hog.wait_request().send().promise;
        let (gap_ns, how) = longest_gap_until(&watcher, async { end.await.map(|_| How::Ran) }).await?;
        choice.tell(name, gap_ns, how);
    }
    for (name, module) in starts::all().into_iter().chain(bodies::all()).filter(|(name, _)| choice.has(name))
    {
        // Made before the neighbour looks, which this process would keep waiting, too: also when it frees what that took.
        let (host, bytes) = (hosts.clone(), module());
        settle(&watcher).await?;
        let life = async move {
            match host.start_file(bytes).await {
                Ok(hog) => hog.wait_request().send().promise.await.map(|_| How::Ran),
                Err(_) => Ok(How::Refused),
            }
        };
        let (gap_ns, how) = longest_gap_until(&watcher, life).await?;
        choice.tell(name, gap_ns, how);
        let (host, timer, bytes) = (hosts.clone(), hosts.clone(), module());
        settle(&watcher).await?;
        let life = async move {
            let starting = spawn_local(async move { host.start_file(bytes).await.map(drop) });
            timer.sleep(KILL_AFTER_NS).await?;
            starting.abort();
            Ok(How::Ran)
        };
        let (gap_ns, how) = longest_gap_until(&watcher, life).await?;
        choice.tell(&format!("{name}, given up"), gap_ns, how);
    }
    Ok(())
}

/// Waits until the host has freed what it had for earlier modules, which takes turns, too.
async fn settle(watcher: &wasm_instance::Client) -> Result<(), Error> {
    for _ in 0..LONG_WATCHES {
        if longest_gap(watcher, WATCH_NS).await? < IDLE_NS {
            return Ok(());
        }
    }
    Err(Error::failed("the host does not come to rest".to_owned()))
}

fn main() -> Result<(), Error> {
    // The neighbours do not wait for this process's own long work.
    capos_rt::free_in_parts();
    capos_rt::block_on(run())
}
