//! Creates an instance of a module.

use super::{
    compile::Compiled,
    data::HostData,
    freeing::free,
    instance,
    metering::{give, settle},
};
use crate::{
    engine::{Host, Instance, Means, Module},
    pace::Pace,
};
use futures::future::LocalBoxFuture;
use wasmi::Store;

impl<H: Host> Module<H> for Compiled<H> {
    fn instantiate<'a>(
        &'a self,
        means: Means<H>,
        pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Instance<H>>, String>> {
        Box::pin(instantiate(self, means, pace))
    }

    fn free(self: Box<Self>, mut pace: Pace) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move { (*self).free(&mut pace).await })
    }
}

async fn instantiate<H: Host>(
    compiled: &Compiled<H>,
    means: Means<H>,
    pace: &mut Pace,
) -> Result<Box<dyn Instance<H>>, String> {
    let (host, fuel, limiter, discard) = means.divide();
    let mut store = Box::new(Store::new(&compiled.engine, HostData::new(host, fuel, limiter)));
    store.limiter(|data| &mut data.limiter);
    // No guest code runs here, but copying its data counts too.
    give(&mut store, 0).map_err(|end| end.to_string())?;
    let instance = compiled.linker.instantiate_with_pauses(&mut *store, &compiled.module, pace).await;
    settle(&mut store);
    match instance {
        Ok(instance) => {
            Ok(Box::new(instance::Instance::new(store, compiled.module.clone(), instance, discard)))
        }
        Err(error) => {
            let reason = match store.data().limiter.refused() {
                Some(refused) => refused.to_string(),
                None => error.to_string(),
            };
            // Much data may have been copied at this point.
            free(store, discard, pace).await;
            Err(reason)
        }
    }
}
