use crate::counter_capnp::counter::{AddParams, AddResults, Server};
use std::rc::Rc;

/// A number, shared by all holders of a capability to it.
#[derive(Debug, Default)]
pub struct Counter {
    total: std::cell::Cell<u64>,
}

impl Server for Counter {
    async fn add(self: Rc<Self>, params: AddParams, mut results: AddResults) -> Result<(), capnp::Error> {
        let amount = u64::from(params.get()?.get_amount());
        let total = self.total.get().checked_add(amount);
        let total = total.ok_or_else(|| capnp::Error::failed("the total does not fit 64 bits".into()))?;
        self.total.set(total);
        results.get().set_total(total);
        Ok(())
    }
}
