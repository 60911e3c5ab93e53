//! Modules that exceed the limits of a worker.

use capnp::Result;

use crate::asking::{Asking, Settings};
use crate::{expect, expect_reason, modules};

pub(crate) async fn run(asking: &Asking) -> Result<()> {
    let large = modules::long(1, 400_000, 3);
    expect_reason("a large function", asking.code(&large, Settings::default()).await, "ran out of its")?;
    println!("a module that takes too much memory fails");
    let slow = modules::long(20_000, 60, 4);
    expect_reason("a slow module", asking.code(&slow, Settings::default()).await, "of processor time")?;
    println!("a module that takes too long fails");
    asking.code(&modules::locals(50_000), Settings::default()).await?;
    asking.code(&modules::constant(1), Settings::default()).await?;
    let counters = asking.counters().await?;
    expect("failed, compiled", (counters.failed, counters.compiled), (2, 2))?;
    println!("others are served");
    Ok(())
}
