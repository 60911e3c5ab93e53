//! Creates an instance of a module.

use super::{
    compile::Compiled,
    convert::failure,
    data::HostData,
    instance,
    metering::{give, is_exhausted, meter, settle},
    pause::Shared,
};
use crate::{
    engine::{Host, Instance, Means, Module},
    pace::Pace,
};
use futures::future::LocalBoxFuture;
use std::rc::Rc;
use wasmtime::{Error, Store};

impl<H: Host> Module<H> for Compiled<H> {
    fn instantiate<'a>(
        &'a self,
        means: Means<H>,
        _pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Instance<H>>, String>> {
        Box::pin(instantiate(self, means))
    }

    /// Frees it at once: wasmtime has no way to free a module in parts.
    fn free(self: Box<Self>, _pace: Pace) -> LocalBoxFuture<'static, ()> {
        drop(self);
        Box::pin(std::future::ready(()))
    }
}

async fn instantiate<H: Host>(
    compiled: &Compiled<H>,
    means: Means<H>,
) -> Result<Box<dyn Instance<H>>, String> {
    // Nothing is freed in parts.
    let (host, fuel, limiter, _discard) = means.divide();
    let shared = Rc::new(Shared::new(fuel, compiled.counts_fuel, compiled.machine.clone()));
    let data = HostData::new(host, shared.clone(), limiter);
    let mut store =
        Box::new(Store::try_new(compiled.module().engine(), data).map_err(|error| error.to_string())?);
    store.limiter(|data| &mut data.limits);
    meter(&mut store).map_err(|error| error.to_string())?;
    // No guest code runs here, but copying its data counts too.
    give(&mut store).map_err(|end| end.to_string())?;
    let instance = compiled.instance.instantiate_async(&mut *store).await;
    settle(&*store);
    match instance {
        Ok(instance) => {
            store.data_mut().memory = instance.get_memory(&mut *store, "memory");
            Ok(Box::new(instance::Instance::new(store, compiled, instance, shared)))
        }
        Err(error) => Err(reason(&store, &error)),
    }
}

/// The reason that an instance could not be created.
fn reason<H: Host>(store: &Store<HostData<H>>, error: &Error) -> String {
    match store.data().limits.limiter().refused() {
        Some(refused) => refused.to_string(),
        None if is_exhausted(store) => store.data().local.shared.fuel().exhausted().to_string(),
        None => failure(error).message,
    }
}
