//! Freeing the memory of an ended instance, in turns with the other instances.
//!
//! Dropping a store frees its pages at once, which takes time proportional to their number.

use super::data::HostData;
use crate::{Discard, engine::Host, pace::Pace};
use wasmi::Store;

/// Bytes that are freed at once, which takes about 60 µs.
const STEP_BYTES: usize = 2 << 20;
/// Makes the clock be checked after each step.
const STEP_WORK: usize = 16 << 10;

/// Frees a store in turns. The guest must not run afterwards.
pub(super) async fn free<H: Host>(
    mut store: Box<Store<HostData<H>>>,
    discard: Option<Discard>,
    pace: &mut Pace,
) {
    if let Some(discard) = discard {
        free_pages(&mut store, discard, pace).await;
    }
    (*store).free_with_pauses(pace).await;
}

/// Frees the pages of all memories and tables except those that take no longer than a step.
async fn free_pages<H: Host>(store: &mut Store<HostData<H>>, discard: Discard, pace: &mut Pace) {
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
