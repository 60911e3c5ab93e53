//! `sched_*`: yielding.

use super::{Context, GuestMemory, Stop};
use crate::turns::yield_once;

/// `sched_yield`: lets every other task of the executor run first.
pub(super) async fn yield_now(_context: &mut Context, _memory: &GuestMemory) -> Result<(), Stop> {
    // The engine's first poll of a call only determines whether it must wait, so a single yield would not let
    // other tasks run.
    yield_once().await;
    yield_once().await;
    Ok(())
}
