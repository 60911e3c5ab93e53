//! The machine that generated code runs on, as far as it is not wasmtime's business.

use crate::engine::Urgency;
use capos_codegen::Settings;
use futures::future::LocalBoxFuture;
use std::ops::Range;
use wasmtime::{Config, Engine, Module};

/// Where generated code comes from and what it runs on; the engine itself generates none.
pub trait Machine {
    /// The engine's name in messages.
    fn name(&self) -> &'static str;

    /// Whether the code is that of the portable interpreter.
    fn is_portable(&self) -> bool;

    /// Whether guests can be interrupted at a time. If not, their code counts fuel.
    fn can_interrupt(&self) -> bool;

    /// Completes the configuration of an engine: where it takes memory and stacks from, and, with `is_pooled`, how many
    /// instances it has a place for.
    fn configure(&self, config: &mut Config, is_pooled: bool);

    /// The code of a module. The error says why there is none.
    fn module<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        settings: Settings,
    ) -> LocalBoxFuture<'a, Result<Module, String>>;

    /// The same, for code that nobody waits for until `urgency` is raised.
    fn module_for_later<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        settings: Settings,
        _urgency: &'a Urgency,
    ) -> LocalBoxFuture<'a, Result<Module, String>> {
        self.module(engine, bytes, settings)
    }

    /// Lets a guest run until a time of the host's clock, if one is given. When it has passed and the processor is within
    /// `code`, the guest's call becomes pending there. Called before the guest runs, and answered by [`Self::stop`].
    fn run_until(&self, code: Range<usize>, time_ns: u64);

    /// Whether that time passed while the guest was calling a function of the host, which is to end the guest's turn.
    fn is_due(&self) -> bool;

    /// Ends the effect of [`Self::run_until`].
    fn stop(&self);
}
