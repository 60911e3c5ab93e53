//! The machine under test: a compiler in the same process.

use capos_codegen::Settings;
use capos_wasm::{Machine, Urgency};
use futures::future::LocalBoxFuture;
use std::ops::Range;
use wasmtime::{Config, Engine, Module};

/// Runs code for the processor itself, or for the portable interpreter.
#[derive(Clone)]
pub struct InProcess {
    pub is_portable: bool,
    /// A module that is compiled instead of any other, or the reason that nothing is.
    pub instead: Option<Result<Vec<u8>, String>>,
    /// Whether nothing is compiled until somebody waits for it.
    pub is_starved: bool,
}

impl InProcess {
    pub fn new(is_portable: bool) -> Self {
        Self { is_portable, instead: None, is_starved: false }
    }
}

impl Machine for InProcess {
    fn name(&self) -> &'static str {
        "wasmtime"
    }

    fn is_portable(&self) -> bool {
        self.is_portable
    }

    fn can_interrupt(&self) -> bool {
        false
    }

    fn configure(&self, _config: &mut Config, _is_pooled: bool) {}

    fn module<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        _settings: Settings,
    ) -> LocalBoxFuture<'a, Result<Module, String>> {
        Box::pin(async move {
            let bytes = match &self.instead {
                Some(Err(reason)) => return Err(reason.clone()),
                Some(Ok(instead)) => instead,
                None => bytes,
            };
            Module::from_binary(engine, bytes).map_err(|error| format!("{error:#}"))
        })
    }

    fn module_for_later<'a>(
        &'a self,
        engine: &'a Engine,
        bytes: &'a [u8],
        settings: Settings,
        urgency: &'a Urgency,
    ) -> LocalBoxFuture<'a, Result<Module, String>> {
        Box::pin(async move {
            if self.is_starved {
                urgency.raised().await;
            }
            self.module(engine, bytes, settings).await
        })
    }

    fn run_until(&self, _code: Range<usize>, _time_ns: u64) {
        unreachable!("guests count fuel here");
    }

    fn is_due(&self) -> bool {
        false
    }

    fn stop(&self) {}
}
