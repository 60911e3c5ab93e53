//! Reporting how an instance ended.

use crate::grants::HostGrants;
use capos_rt::{grant, spawn_local};
use capos_schema::{
    console_capnp::{MAX_WRITE_BYTES, console},
    grants,
};
use capos_wasm::{End, NamedGrant, Note, Refusal, StartTime};
use std::rc::Rc;

/// Logs how long starting the instance `name` took. This is done when it ends, so as not to delay it.
pub(crate) async fn started(held: &HostGrants, name: &str, time: StartTime) {
    let (Some(log), Some(_)) = (&held.log, &held.fast_clock) else { return };
    let StartTime { compile_ns, instantiate_ns } = time;
    write(
        log,
        &format!("[wasm-host] {name}: compiled in {compile_ns} ns, instantiated in {instantiate_ns} ns"),
    )
    .await;
}

/// Logs the end of the instance `name`: for a trap with its functions, and in any case with the refused calls and the
/// missing grants that explain it.
pub(crate) async fn ended(held: &HostGrants, name: &str, end: &End, refusals: &[Refusal]) {
    let mut lines = vec![end.to_string()];
    lines.extend(backtrace(end));
    lines.extend(refusals.iter().map(Refusal::to_string));
    log(held, name, &lines).await;
}

/// Logs the names of the capabilities of instance `name` that WASI Preview 1 cannot use, if there are any.
pub(crate) async fn holds(held: &HostGrants, name: &str, grants: &[NamedGrant]) {
    let usable =
        [grants::CONSOLE, grants::TIMER, grants::WALL_CLOCK, grants::ENTROPY].map(|known| known.name);
    let others: Vec<&str> =
        grants.iter().map(|grant| grant.name.as_str()).filter(|name| !usable.contains(name)).collect();
    if !others.is_empty() {
        let others = others.join(", ");
        log(held, name, &[format!("holds, without a use for it in WASI Preview 1: {others}")]).await;
    }
}

/// Logs the `count`th restart of the instance `name` and its reason.
pub(crate) async fn restarted(held: &HostGrants, name: &str, end: &End, count: u32) {
    let mut lines = vec![format!("{end}; restart {count}")];
    lines.extend(backtrace(end));
    log(held, name, &lines).await;
}

fn backtrace(end: &End) -> Vec<String> {
    let End::Trap(trap) = end else { return Vec::new() };
    trap.backtrace.iter().map(|function| format!("  in {function}")).collect()
}

/// Logs lines about the instance `name` in as few writes as possible, so that the reports of several
/// instances that end together are not interleaved.
async fn log(held: &HostGrants, name: &str, lines: &[String]) {
    let Some(log) = &held.log else { return };
    let mut piece = String::new();
    for line in lines {
        let line = format!("[wasm-host] {name}: {line}");
        if !piece.is_empty() && piece.len() + 1 + line.len() > MAX_WRITE_BYTES as usize {
            write(log, &piece).await;
            piece.clear();
        }
        if !piece.is_empty() {
            piece.push('\n');
        }
        piece.push_str(&line);
    }
    write(log, &piece).await;
}

/// Logs that the module of the instance `name` is empty, since its output shows nothing.
pub(crate) async fn empty_module(held: &HostGrants, name: &str) {
    log(held, name, &["empty module instantiated".to_owned()]).await;
}

/// Logs why the host called `name` failed; its other streams belong to its programs.
pub(crate) async fn failed(name: &str, error: &capnp::Error) {
    match grant::<console::Client>(grants::LOG) {
        Ok(log) => write(&log, &format!("[wasm-host] {name}: {error}")).await,
        Err(_) => eprintln!("[wasm-host] {name}: {error}"),
    }
}

/// Writes what the host notes to the log.
pub(crate) fn note(held: &HostGrants) -> Note {
    let log = held.log.clone();
    Rc::new(move |line| {
        let log = log.clone();
        drop(spawn_local(async move {
            if let Some(log) = log {
                write(&log, &format!("[wasm-host] {line}")).await;
            }
        }));
    })
}

/// If the log cannot be written, that cannot be reported either.
async fn write(to: &console::Client, line: &str) {
    let mut request = to.write_line_request();
    request.get().set_line(line);
    let _ = request.send().promise.await;
}
