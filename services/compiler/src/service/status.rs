//! `CompilerStatus`.

use std::rc::Rc;

use capnp::Error;
use capos_schema::compiler_capnp::compiler_status::{CountersParams, CountersResults, Server};

use super::Service;

/// Shows the counters of a service.
pub struct Status(pub Rc<Service>);

impl Server for Status {
    async fn counters(self: Rc<Self>, _: CountersParams, mut results: CountersResults) -> Result<(), Error> {
        let service = &self.0;
        let from = &service.counters;
        let mut to = results.get().init_counters();
        to.set_compiled(from.compiled.get());
        to.set_from_cache(from.from_cache.get());
        to.set_shared(from.shared.get());
        to.set_failed(from.failed.get());
        to.set_cancelled(from.cancelled.get());
        to.set_rejected_entries(from.rejected_entries.get());
        to.set_evicted_entries(from.evicted_entries.get());
        to.set_cache_errors(from.cache_errors.get());
        to.set_code_bytes(from.code_bytes.get());
        if let Some(cache) = &service.cache {
            to.set_cache_entries(cache.entries());
            to.set_cache_bytes(cache.bytes());
        }
        to.set_waiting(u32::try_from(service.slots.waiting()).unwrap_or(u32::MAX));
        let workers = service.options.workers.saturating_sub(service.slots.free());
        to.set_workers(u32::try_from(workers).unwrap_or(u32::MAX));
        Ok(())
    }
}
