//! Saying how an instance ended.

use crate::grants::Held;
use capos_schema::console_capnp::console;
use capos_wasm::{End, StartTime, wasi::Refusal};

/// Writes how long starting the instance `name` took, which is told with its end so as not to delay it.
pub(crate) async fn started(held: &Held, name: &str, time: StartTime) {
    let (Some(log), Some(_)) = (&held.log, &held.fast_clock) else { return };
    let StartTime { compile_ns, instantiate_ns } = time;
    write(
        log,
        &format!("[wasm-host] {name}: compiled in {compile_ns} ns, instantiated in {instantiate_ns} ns"),
    )
    .await;
}

/// Writes the end of the instance `name` to the log: a trap with the functions it happened in, a failure with what
/// the instance called and lacked a grant for.
pub(crate) async fn ended(held: &Held, name: &str, end: &End, refusals: &[Refusal]) {
    let Some(log) = &held.log else { return };
    write(log, &format!("[wasm-host] {name}: {end}")).await;
    backtrace(log, name, end).await;
    if end.status() != 0 {
        for refusal in refusals {
            write(log, &format!("[wasm-host] {name}: {refusal}")).await;
        }
    }
}

/// Writes that the instance `name` is started again for the `count`th time, and why.
pub(crate) async fn restarted(held: &Held, name: &str, end: &End, count: u32) {
    let Some(log) = &held.log else { return };
    write(log, &format!("[wasm-host] {name}: {end}; restart {count}")).await;
    backtrace(log, name, end).await;
}

async fn backtrace(log: &console::Client, name: &str, end: &End) {
    let End::Trap(trap) = end else { return };
    for function in &trap.backtrace {
        write(log, &format!("[wasm-host] {name}:   in {function}")).await;
    }
}

/// Says on the host's own console that a module with nothing in it did what it could.
pub(crate) async fn empty_module(held: &Held) {
    if let Some(console) = &held.console {
        write(console, "[wasm-host] empty module instantiated and exited").await;
    }
}

/// A log that cannot be written cannot be told about either.
async fn write(to: &console::Client, line: &str) {
    let mut request = to.write_line_request();
    request.get().set_line(line);
    let _ = request.send().promise.await;
}
