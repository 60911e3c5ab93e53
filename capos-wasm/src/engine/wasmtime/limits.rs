//! Memory and table limits, through wasmtime's interface.

use crate::{
    account::Control,
    engine::limiter::{Growth, Limiter, MAX_MEMORIES, MAX_TABLES},
};
use send_wrapper::SendWrapper;
use std::rc::Rc;
use wasmtime::{Error, ResourceLimiter};

/// The limits of an instance.
pub(super) struct Limits(SendWrapper<Limiter>);

impl Limits {
    pub(super) fn new(limiter: Limiter) -> Self {
        Self(SendWrapper::new(limiter))
    }

    pub(super) fn charge_to(&mut self, control: Rc<Control>) {
        self.0.charge_to(control);
    }

    pub(super) fn limiter(&self) -> &Limiter {
        &self.0
    }
}

impl ResourceLimiter for Limits {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.0.memory_growing(current, desired, maximum) == Growth::Allowed)
    }

    fn memory_grow_failed(&mut self, _error: Error) -> wasmtime::Result<()> {
        // The limiter has refused what is beyond the maximum, so memory is what was missing.
        self.0.memory_grow_failed(true);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.0.table_growing(current, desired, maximum) == Growth::Allowed)
    }

    fn table_grow_failed(&mut self, _error: Error) -> wasmtime::Result<()> {
        self.0.table_grow_failed();
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
