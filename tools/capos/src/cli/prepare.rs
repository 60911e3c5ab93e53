//! Prepares a run within its time limit.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// The user's time limit for a run, including everything before the machine's start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    begun: Instant,
    given: Option<Duration>,
}

impl Time {
    /// Starts now. Without `given` it is unlimited.
    pub(super) fn begin(given: Option<Duration>) -> Self {
        Self { begun: Instant::now(), given }
    }

    /// The time left for the machine; `default` without a user's limit.
    pub(super) fn left(&self, default: Duration) -> Duration {
        self.given.map_or(default, |given| given.saturating_sub(self.begun.elapsed()))
    }

    /// How long a run may take, in words: behind "ended".
    pub(super) fn over(&self, default: Duration) -> String {
        let seconds = self.given.unwrap_or(default).as_secs_f64();
        let unit = if seconds == 1.0 { "second" } else { "seconds" };
        let origin = if self.given.is_none() { ", the default" } else { "" };
        format!("after {seconds} {unit}{origin}")
    }
}

/// Runs `work`, and returns `None` if the time is over first. The work then continues until the process ends, so it
/// must not own anything that has to be removed.
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
        // After a time-out nothing waits for the result.
        .spawn(move || drop(done.send(work())))
        .context("cannot start a thread")?;
    match result.recv_timeout(time.left(Duration::MAX)) {
        Ok(result) => result.map(Some),
        Err(RecvTimeoutError::Timeout) => Ok(None),
        Err(RecvTimeoutError::Disconnected) => bail!("preparing the run failed"),
    }
}

/// Equal to the main thread's: folders are walked recursively.
const STACK_BYTES: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_told_with_where_it_is_from() {
        let over =
            |given: Option<u64>| Time::begin(given.map(Duration::from_millis)).over(Duration::from_secs(60));
        assert_eq!(over(Some(1000)), "after 1 second");
        assert_eq!(over(Some(500)), "after 0.5 seconds");
        assert_eq!(over(None), "after 60 seconds, the default");
    }

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
