//! Preparing a run within its time.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The time that the user gave a run, all that comes before the machine's start included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    begun: Instant,
    given: Option<Duration>,
}

impl Time {
    /// From now on. Without `given` there is no end to it.
    pub(super) fn begin(given: Option<Duration>) -> Self {
        Self { begun: Instant::now(), given }
    }

    /// The time left for the machine; `default` if the user gave none.
    pub(super) fn left(&self, default: Duration) -> Duration {
        self.given.map_or(default, |given| given.saturating_sub(self.begun.elapsed()))
    }

    /// How long a run may take.
    pub(super) fn total(&self, default: Duration) -> Duration {
        self.given.unwrap_or(default)
    }
}

/// Does `work`, and gives up when the time is over. What was begun goes on until the process ends, so it must not own
/// anything that has to be removed. Returns `None` when the time was over.
pub(super) fn within<T: Send + 'static>(
    time: Time,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<Option<T>> {
    if time.given.is_none() {
        return work().map(Some);
    }
    let (done, result) = mpsc::channel();
    thread::Builder::new()
        .name("prepare".to_owned())
        .stack_size(STACK_BYTES)
        // Nobody waits for the result when the time was over.
        .spawn(move || drop(done.send(work())))
        .context("a thread")?;
    match result.recv_timeout(time.left(Duration::MAX)) {
        Ok(result) => result.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => bail!("preparing the run failed"),
    }
}

/// As much as the first thread has: folders are walked by recursion.
const STACK_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_takes_longer_is_given_up() {
        let (_keep, never) = mpsc::channel::<()>();
        let time = Time::begin(Some(Duration::from_millis(1)));
        let result = within(time, move || Ok(never.recv().is_ok()));
        assert!(matches!(result, Ok(None)));
        assert_eq!(time.left(Duration::MAX), Duration::ZERO);
        assert!(matches!(within(Time::begin(None), || Ok(7)), Ok(Some(7))));
        assert!(within(Time::begin(Some(Duration::from_secs(60))), || bail!("no") as Result<()>).is_err());
    }
}
