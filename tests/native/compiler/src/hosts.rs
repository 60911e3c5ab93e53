//! Hosts that run the same module share its code.

use capnp::Result;
use capos_rt::grant;
use capos_rt::schema::diagnostics_capnp::diagnostics;
use capos_rt::schema::grants::DIAGNOSTICS;
use capos_rt::schema::wasm_capnp::{wasm_host, wasm_instance};

use crate::asking::Asking;
use crate::expect;

const MODULE: &str = "wasi-fs";
const FRAME_BYTES: u64 = 4096;

/// Starts the same module in two hosts, granted as "one" and "other". Its code is there once: in the service's count, and in the
/// memory of the machine.
pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let (one, other): (wasm_host::Client, wasm_host::Client) = (grant("one")?, grant("other")?);
    // Each host has made what it makes once: engines, pools, tables of the other instances' modules.
    let idle = [start(&one, "empty").await?, start(&other, "empty").await?];
    let before = asking.counters().await?;
    let (first, taken_by_first) = measured(start(&one, MODULE)).await?;
    let with_one = asking.counters().await?;
    let code = with_one.code_bytes - before.code_bytes;
    expect("compiled", with_one.compiled - before.compiled, 1)?;

    let (second, taken_by_second) = measured(start(&other, MODULE)).await?;
    let with_two = asking.counters().await?;
    expect("compiled again", with_two.compiled - with_one.compiled, 0)?;
    expect("shared", with_two.shared - with_one.shared, 1)?;
    expect("code bytes", with_two.code_bytes, with_one.code_bytes)?;
    println!("two hosts have the code of one module, which is counted once");
    if taken_by_second + code > taken_by_first {
        return Err(capnp::Error::failed(format!(
            "of {code} bytes of code: the first host took {taken_by_first} bytes of memory, the second {taken_by_second}"
        )));
    }
    println!("the second one takes at least its length less memory");
    drop((first, second, idle));
    Ok(())
}

async fn start(host: &wasm_host::Client, module: &str) -> Result<wasm_instance::Client> {
    let mut request = host.start_request();
    let mut spec = request.get().init_spec();
    spec.reborrow().init_module().set_named(module);
    spec.set_name(module);
    request.send().promise.await?.get()?.get_instance()
}

/// The outcome of something, and the memory of the machine that it took for good.
async fn measured<T>(step: impl Future<Output = Result<T>>) -> Result<(T, u64)> {
    let before = frames_free().await?;
    let outcome = step.await?;
    Ok((outcome, before.saturating_sub(frames_free().await?) * FRAME_BYTES))
}

async fn frames_free() -> Result<u64> {
    let diagnostics: diagnostics::Client = grant(DIAGNOSTICS)?;
    Ok(diagnostics.counters_request().send().promise.await?.get()?.get_frames_free())
}
