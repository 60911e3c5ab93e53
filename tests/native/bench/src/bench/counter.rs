//! Reads the time-stamp counter, and prints results.

use capos_schema::timer_capnp::timer;
use std::future::Future;

/// Runs before the first counted one, to populate pages, handle caches and buffers.
pub(crate) const WARM_UP: u32 = 16;
/// Number of counted runs; their mean is reported.
pub(crate) const RUNS: u32 = 128;

/// The permission to read the counter.
pub(crate) struct Counter(());

impl Counter {
    /// Requests the Timer's time page, which allows this process to read the counter.
    pub(crate) async fn new() -> capnp::Result<Self> {
        let timer: timer::Client = capos_rt::grant(capos_schema::grants::TIMER).map_err(failed)?;
        timer.time_page_request().send().promise.await?.get()?.get_page()?;
        Ok(Self(()))
    }

    /// The counter's value.
    #[expect(unsafe_code, reason = "RDTSC has no safe form")]
    #[must_use]
    pub(crate) fn read(&self) -> u64 {
        // SAFETY: the process has requested the time page, so it may execute RDTSC.
        unsafe { core::arch::x86_64::_rdtsc() }
    }

    /// Reports the mean cost of `run`.
    pub(crate) fn measure(&self, name: &str, mut run: impl FnMut()) {
        for _ in 0..WARM_UP {
            run();
        }
        let start = self.read();
        for _ in 0..RUNS {
            run();
        }
        report(name, (self.read() - start) / u64::from(RUNS));
    }

    /// Reports the mean cost of the future returned by `run`.
    pub(crate) async fn measure_async<F: Future<Output = capnp::Result<()>>>(
        &self,
        name: &str,
        mut run: impl FnMut() -> F,
    ) -> capnp::Result<()> {
        for _ in 0..WARM_UP {
            run().await?;
        }
        let start = self.read();
        for _ in 0..RUNS {
            run().await?;
        }
        report(name, (self.read() - start) / u64::from(RUNS));
        Ok(())
    }
}

/// Prints one result.
pub(crate) fn report(name: &str, instructions: u64) {
    println!("{name} {instructions} instructions");
}

/// Any error as a Cap'n Proto one.
pub(crate) fn failed(error: impl std::fmt::Display) -> capnp::Error {
    capnp::Error::failed(error.to_string())
}
