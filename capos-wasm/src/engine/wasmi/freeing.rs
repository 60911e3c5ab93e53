//! Giving back the memory of an instance that has ended, in turns with the other instances.
//!
//! Dropping a store frees its pages in one go, which takes as long as there are many of them.

use super::data::HostData;
use crate::{Discard, engine::Host, pace::Pace};
use wasmi::Store;

/// Bytes that are given back at once. That many pages take some 60 µs.
const STEP_BYTES: usize = 2 << 20;
/// Has the clock looked at after each step.
const STEP_WORK: usize = 16 << 10;

/// Gives back the pages of all memories and tables but for what takes no longer than a step. Nothing of the guest may run
/// afterwards.
pub(super) async fn free<H: Host>(store: &mut Store<HostData<H>>, discard: Option<Discard>, pace: &mut Pace) {
    let Some(discard) = discard else { return };
    let lengths: Vec<usize> =
        (0..).map_while(|index| store.bytes_mut(index).map(|bytes| bytes.len())).collect();
    if lengths.iter().sum::<usize>() <= STEP_BYTES {
        return;
    }
    for (index, length) in lengths.into_iter().enumerate() {
        for start in (0..length).step_by(STEP_BYTES) {
            let end = length.min(start + STEP_BYTES);
            if let Some(part) = store.bytes_mut(index).and_then(|bytes| bytes.get_mut(start..end)) {
                discard(part);
            }
            pace.spend(STEP_WORK).await;
        }
    }
}
