//! The monotonic clock and waiting, of a Timer; the time of day, of a WallClock.

use super::Error;
use capos_rt::Ask as _;
use capos_schema::timer_capnp::{timer, wall_clock};
use futures::{FutureExt, future::LocalBoxFuture};
use std::rc::Rc;

/// Reads the monotonic clock without a call, in nanoseconds: the shared time page of the same Timer.
pub type FastClock = fn() -> u64;

/// Waits until a point in time of the same clock without a call, so that any number of instances can wait.
pub type FastSleep = Rc<dyn Fn(u64) -> LocalBoxFuture<'static, ()>>;

/// The clocks that an instance, or the host itself, holds.
#[derive(Clone, Default)]
pub(crate) struct Clocks {
    timer: Option<timer::Client>,
    fast_clock: Option<FastClock>,
    fast_sleep: Option<FastSleep>,
    wall_clock: Option<wall_clock::Client>,
}

impl Clocks {
    /// Without a `timer`, the faster ways to use it are ignored.
    pub(crate) fn new(
        timer: Option<timer::Client>,
        fast_clock: Option<FastClock>,
        fast_sleep: Option<FastSleep>,
        wall_clock: Option<wall_clock::Client>,
    ) -> Self {
        let granted = timer.is_some();
        Self {
            timer,
            fast_clock: fast_clock.filter(|_| granted),
            fast_sleep: fast_sleep.filter(|_| granted),
            wall_clock,
        }
    }

    pub(crate) fn has_timer(&self) -> bool {
        self.timer.is_some()
    }

    pub(crate) fn has_wall_clock(&self) -> bool {
        self.wall_clock.is_some()
    }

    /// The faster way to read the monotonic clock, if there is one.
    pub(crate) fn fast_clock(&self) -> Option<FastClock> {
        self.fast_clock
    }

    fn timer(&self) -> Result<&timer::Client, Error> {
        self.timer.as_ref().ok_or(Error::NotGranted)
    }

    fn wall_clock(&self) -> Result<&wall_clock::Client, Error> {
        self.wall_clock.as_ref().ok_or(Error::NotGranted)
    }

    /// Nanoseconds since the system started.
    pub(crate) async fn monotonic_ns(&self) -> Result<u64, Error> {
        if let Some(clock) = &self.fast_clock {
            return Ok(clock());
        }
        let response = self.timer()?.now_request().ask().await.map_err(Error::of_call)?;
        Ok(response.get().map_err(Error::of_call)?.get_nanoseconds())
    }

    /// Waits until a point in time of the monotonic clock; `None` without a timer. Several can wait at once.
    pub(crate) fn sleep_until(&self, deadline_ns: u64) -> Option<LocalBoxFuture<'static, Result<(), Error>>> {
        if let Some(sleep) = &self.fast_sleep {
            return Some(Box::pin(sleep(deadline_ns).map(Ok)));
        }
        let mut request = self.timer.as_ref()?.sleep_until_request();
        request.get().set_nanoseconds(deadline_ns);
        let promise = request.ask();
        Some(Box::pin(async move { promise.await.map(drop).map_err(Error::of_call) }))
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    pub(crate) async fn wall_clock_ns(&self) -> Result<u64, Error> {
        let response = self.wall_clock()?.now_request().ask().await.map_err(Error::of_call)?;
        let now = response.get().map_err(Error::of_call)?;
        let whole = now.get_seconds().checked_mul(1_000_000_000);
        let time = whole.and_then(|whole| whole.checked_add(now.get_nanoseconds().into()));
        time.ok_or(Error::Overflow)
    }

    /// The resolution of the time of day in nanoseconds.
    pub(crate) async fn wall_clock_resolution_ns(&self) -> Result<u64, Error> {
        let response = self.wall_clock()?.resolution_request().ask().await.map_err(Error::of_call)?;
        Ok(response.get().map_err(Error::of_call)?.get_nanoseconds())
    }
}
