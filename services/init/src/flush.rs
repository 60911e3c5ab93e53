//! Flushes services before the run ends.

use std::time::Duration;

use capos_rt::{now_ns, with_deadline_ns};
use capos_schema::supervision_capnp::flushable;

use crate::board::State;
use crate::entries::Flush;
use crate::{Setup, log};

/// The time to wait for the end of a service that no longer answers, so that the log has its reason first.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Flushes every service whose entry asks for it, in reverse start order. Returns whether all succeeded; failures are logged.
pub(crate) async fn all(setup: &Setup) -> bool {
    let mut all_done = true;
    for &index in setup.entries.order.iter().rev() {
        let Some(entry) = setup.entries.list.get(index) else { continue };
        let Some(flush) = &entry.flush else { continue };
        if !setup.exports.has_started(entry.name, flush.export) {
            continue;
        }
        let Err(reason) = one(setup, entry.name, flush).await else { continue };
        // The way it ended is the reason, and may not be in the log yet.
        let ended = setup.board.wait_for(|| match setup.board.get(index) {
            State::Ended(_) | State::Starting => Some(()),
            State::Watched => None,
        });
        within(LAST_WORDS, ended).await.ok();
        let what = match setup.exports.is_used(entry.name) {
            true => "unsynced changes may be lost",
            false => "not served, and nothing was written to it",
        };
        log(&setup.singletons.log, &format!("init: {}: {what}: {reason}", entry.name)).await;
        all_done = false;
    }
    all_done
}

async fn one(setup: &Setup, process: &str, flush: &Flush) -> Result<(), String> {
    let (client, _): (flushable::Client, u32) =
        setup.exports.client(process, flush.export).map_err(|error| error.extra)?;
    let flushed = client.flush_request().send().promise;
    let flushed = match flush.timeout_ns {
        Some(timeout) => within(Duration::from_nanos(timeout), flushed).await?,
        None => flushed.await,
    };
    flushed.map(drop).map_err(|error| error.extra)
}

/// The output of `future`, or an error after `time`.
pub(crate) async fn within<F: Future>(time: Duration, future: F) -> Result<F::Output, String> {
    let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    with_deadline_ns(future, now_ns().saturating_add(nanoseconds))
        .await
        .map_err(|elapsed| elapsed.to_string())
}
