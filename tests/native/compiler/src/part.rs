//! The parts of the trial. Each returns what it found, for the line that is printed.

use capnp::Result;

use crate::asking::Asking;
use crate::expect;
use crate::modules;

/// A small module is compiled, and its code is sealed.
pub(crate) async fn first(asking: &Asking) -> Result<String> {
    let code = asking.code(&modules::constant(7), Default::default()).await?;
    expect("sealed", code.is_sealed().await?, true)?;
    expect("begins as", code.beginning().await?, *b"\x7fELF")?;
    let status = asking.counters().await?;
    Ok(format!("from the cache: {}, compiled {}", code.is_from_cache, status.compiled))
}
