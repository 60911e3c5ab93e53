//! The per-instance state stored in wasmtime's store.

use super::{limits::Limits, pause::Shared};
use crate::{
    End,
    engine::{Host, limiter::Limiter},
};
use send_wrapper::SendWrapper;
use std::{fmt, rc::Rc};
use wasmtime::Memory;

/// The `Store`'s data: one store for each instance. wasmtime's asynchronous calls require data that may be sent to
/// another thread. None is: an instance stays on the thread that created it, which the wrapper checks at every access.
pub(crate) struct HostData<H> {
    /// Together, so that a call of the host has this checked once.
    pub(super) local: SendWrapper<Local<H>>,
    /// The export named `memory`, if there is one.
    pub(super) memory: Option<Memory>,
    /// Whether the code counts fuel.
    pub(super) counts_fuel: bool,
    pub(super) limits: Limits,
}

/// The part of it that stays on its thread.
pub(super) struct Local<H> {
    pub(super) host: H,
    pub(super) shared: Rc<Shared>,
}

impl<H: Host> HostData<H> {
    pub(super) fn new(host: H, shared: Rc<Shared>, limiter: Limiter) -> Self {
        Self {
            memory: None,
            counts_fuel: shared.counts_fuel(),
            local: SendWrapper::new(Local { host, shared }),
            limits: Limits::new(limiter),
        }
    }
}

/// An imported function ends the instance.
#[derive(Debug)]
pub(super) struct Ended(pub(super) End);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Ended {}
