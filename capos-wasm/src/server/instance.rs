//! One started instance as a capability.

use super::value;
use crate::{CallError, InstanceHandle};
use capnp::Error;
use capos_schema::wasm_capnp::wasm_instance;
use std::rc::Rc;

/// Serves `WasmInstance`. When the last client is released this is dropped, and the instance ends.
pub struct WasmInstance {
    handle: InstanceHandle,
}

impl WasmInstance {
    /// Serves the instance behind `handle`.
    pub fn new(handle: InstanceHandle) -> Self {
        Self { handle }
    }
}

impl Drop for WasmInstance {
    fn drop(&mut self) {
        self.handle.kill();
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(reason) => Error::failed(reason),
            CallError::Busy => Error::overloaded(error.to_string()),
            CallError::Ended(_) => Error::disconnected(error.to_string()),
        }
    }
}

impl wasm_instance::Server for WasmInstance {
    async fn call(
        self: Rc<Self>,
        params: wasm_instance::CallParams,
        mut results: wasm_instance::CallResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let function = params.get_function()?.to_str()?;
        let arguments = value::read(params.get_arguments()?)?;
        let values = self.handle.call(function, &arguments).await?;
        value::write(&values, results.get().init_results(values.len() as u32));
        Ok(())
    }

    async fn wait(
        self: Rc<Self>,
        _: wasm_instance::WaitParams,
        mut results: wasm_instance::WaitResults,
    ) -> Result<(), Error> {
        // Only clients keep the instance alive; a pending `wait` does not.
        let handle = self.handle.clone();
        drop(self);
        handle.wait().await.write(results.get().init_end());
        Ok(())
    }

    async fn kill(
        self: Rc<Self>,
        _: wasm_instance::KillParams,
        _: wasm_instance::KillResults,
    ) -> Result<(), Error> {
        self.handle.kill();
        Ok(())
    }

    async fn use_(
        self: Rc<Self>,
        _: wasm_instance::UseParams,
        mut results: wasm_instance::UseResults,
    ) -> Result<(), Error> {
        let usage = self.handle.usage();
        let mut results = results.get();
        results.set_fuel(usage.fuel);
        results.set_memory_bytes(usage.memory_bytes);
        results.set_output_bytes(usage.output_bytes);
        Ok(())
    }

    async fn restarts(
        self: Rc<Self>,
        _: wasm_instance::RestartsParams,
        mut results: wasm_instance::RestartsResults,
    ) -> Result<(), Error> {
        let causes = self.handle.restart_causes();
        let mut results = results.get();
        results.set_count(self.handle.restarts());
        let mut list = results.init_causes(causes.len() as u32);
        for (index, cause) in (0..).zip(&causes) {
            cause.write(list.reborrow().get(index));
        }
        Ok(())
    }

    async fn refusals(
        self: Rc<Self>,
        _: wasm_instance::RefusalsParams,
        mut results: wasm_instance::RefusalsResults,
    ) -> Result<(), Error> {
        let refusals = self.handle.refusals();
        let mut list = results.get().init_refusals(refusals.len() as u32);
        for (index, refusal) in (0..).zip(&refusals) {
            let mut builder = list.reborrow().get(index);
            builder.set_import(refusal.import);
            builder.set_capability(refusal.missing.capability());
            builder.set_message(refusal.to_string());
        }
        Ok(())
    }

    async fn grants(
        self: Rc<Self>,
        _: wasm_instance::GrantsParams,
        mut results: wasm_instance::GrantsResults,
    ) -> Result<(), Error> {
        let grants = self.handle.grants();
        let mut list = results.get().init_grants(grants.len() as u32);
        for (index, (name, interface)) in (0..).zip(&grants) {
            let mut grant = list.reborrow().get(index);
            grant.set_name(name);
            grant.set_interface_id(*interface);
        }
        Ok(())
    }
}
