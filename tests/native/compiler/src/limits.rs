//! Modules that exceed the limits of a worker.

use capnp::{ErrorKind, Result};

use crate::asking::{Asking, Settings};
use crate::{expect, expect_reason, modules};

/// The size of a module that takes a good part of the service's memory.
const LARGE: usize = 4 << 20;

/// More memory than the service has is asked for, in modules that it must copy.
pub(crate) async fn copies(asking: &Asking) -> Result<()> {
    // The others wait for this one.
    let mut kept = vec![asking.compile(&modules::long(4000, 40, 7), Settings::default()).await?];
    let mut refused = 0;
    for number in 0..40 {
        let mut module = vec![number; LARGE];
        module.splice(..8, *b"\0asm\x01\0\0\0");
        match asking.compile(&module, Settings::default()).await {
            Ok(request) => kept.push(request),
            Err(error) if error.kind == ErrorKind::Overloaded => refused += 1,
            Err(error) => return Err(error),
        }
    }
    expect("some are refused, and some are not", (refused > 20, kept.len() > 2), (true, true))?;
    println!("modules take no more memory than the service has");
    drop(kept);
    asking.code(&modules::constant(2), Settings::default()).await?;
    println!("others are served");
    Ok(())
}

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
