//! Requests that nobody waits for any more.

use std::time::Duration;

use capnp::Result;
use capos_rt::sleep;

use crate::asking::{Asking, Settings};
use crate::{expect, modules};

/// Takes long to compile.
fn slow(seed: u8) -> Vec<u8> {
    modules::long(4000, 40, seed)
}

/// Waits until the service has nothing to do.
async fn idle(asking: &Asking) -> Result<()> {
    loop {
        let counters = asking.counters().await?;
        if (counters.waiting, counters.workers) == (0, 0) {
            return Ok(());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let one = asking.compile(&slow(1), Settings::default()).await?;
    let two = asking.compile(&slow(2), Settings::default()).await?;
    while asking.counters().await?.workers == 0 {}
    expect("waiting", asking.counters().await?.waiting, 1)?;
    drop((one, two));
    idle(asking).await?;
    let counters = asking.counters().await?;
    expect("cancelled, compiled", (counters.cancelled, counters.compiled), (2, 0))?;
    println!("released requests are cancelled");

    let one = asking.compile(&slow(1), Settings::default()).await?;
    let other = asking.compile(&slow(1), Settings::default()).await?;
    while asking.counters().await?.workers == 0 {}
    drop(one);
    sleep(Duration::from_millis(50)).await;
    expect("workers", asking.counters().await?.workers, 1)?;
    drop(other);
    idle(asking).await?;
    println!("a request that another one waits for goes on");

    let mut kept = Vec::new();
    let mut refused = 0;
    for number in 0..3000_usize {
        let module = modules::long(1, 20 + number % 40, (number / 40) as u8);
        match asking.compile(&module, Settings { is_low: true, ..Settings::default() }).await {
            Ok(request) => kept.push(request),
            Err(error) if error.kind == capnp::ErrorKind::Overloaded => refused += 1,
            Err(error) => return Err(error),
        }
    }
    expect("kept, refused", (kept.len(), refused), (64, 2936))?;
    drop(kept);
    idle(asking).await?;
    asking.code(&modules::constant(1), Settings::default()).await?;
    println!("a client has a limit of requests");
    Ok(())
}

/// Leaves requests behind.
pub(crate) async fn leave(asking: &Asking) -> Result<()> {
    let requests = [
        asking.compile(&slow(5), Settings::default()).await?,
        asking.compile(&slow(6), Settings::default()).await?,
    ];
    while asking.counters().await?.workers == 0 {}
    std::mem::forget(requests);
    Ok(())
}

/// Sees that the requests of another process are cancelled when that has ended.
pub(crate) async fn left(asking: &Asking) -> Result<()> {
    while asking.counters().await?.cancelled < 2 {
        sleep(Duration::from_millis(10)).await;
    }
    idle(asking).await?;
    asking.code(&modules::constant(1), Settings::default()).await?;
    println!("requests of a process that has ended are cancelled");
    Ok(())
}
