//! Costs excluding the time in which everything waits for a disk.

use std::future::Future;

use capos_schema::diagnostics_capnp::diagnostics;

use crate::counter::{Counter, RUNS, WARM_UP, failed, report};

/// Counts the processor's work, excluding idle time.
pub(crate) struct Busy {
    counter: Counter,
    diagnostics: diagnostics::Client,
}

impl Busy {
    pub(crate) async fn new() -> capnp::Result<Self> {
        let diagnostics = capos_rt::grant(capos_schema::grants::DIAGNOSTICS).map_err(failed)?;
        Ok(Self { counter: Counter::new().await?, diagnostics })
    }

    async fn read(&self) -> capnp::Result<u64> {
        let idle = self.diagnostics.counters_request().send().promise.await?.get()?.get_idle_tsc();
        Ok(self.counter.read() - idle)
    }

    /// Reports the mean cost of the future returned by `run`, in all processes together.
    pub(crate) async fn measure<F: Future<Output = capnp::Result<()>>>(
        &self,
        name: &str,
        mut run: impl FnMut() -> F,
    ) -> capnp::Result<()> {
        for _ in 0..WARM_UP {
            run().await?;
        }
        let start = self.read().await?;
        for _ in 0..RUNS {
            run().await?;
        }
        report(name, (self.read().await? - start) / u64::from(RUNS));
        Ok(())
    }
}
