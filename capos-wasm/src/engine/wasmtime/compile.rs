//! Turns bytes into a module ready for instantiation.

use super::{
    data::HostData,
    engines::{Engines, Variant},
    link::link,
    machine::Machine,
    validate::validate,
};
use crate::{
    Limits,
    engine::{
        Engine, Host, Module, Settings, Urgency,
        early::check_length,
        exports::add_exports,
        proposals::{explain, explain_no_code},
    },
    pace::{Pace, STOPPED},
};
use futures::future::LocalBoxFuture;
use std::{ops::Range, rc::Rc};
use wasmtime::{InstancePre, Linker};

/// The engine, on a machine.
pub(in crate::engine) struct Wasmtime {
    engines: Engines,
}

impl Wasmtime {
    pub(in crate::engine) fn new(machine: Rc<dyn Machine>) -> Self {
        Self { engines: Engines::new(machine) }
    }

    fn settings(&self, counts_fuel: bool) -> capos_codegen::Settings {
        let is_portable = self.engines.machine().is_portable();
        capos_codegen::Settings { counts_fuel, is_portable }
    }
}

/// A module's code with its resolved imports.
pub(super) struct Compiled<H: Host> {
    pub(super) instance: InstancePre<HostData<H>>,
    pub(super) machine: Rc<dyn Machine>,
    pub(super) counts_fuel: bool,
    /// The addresses of its functions, where the guest can be interrupted.
    pub(super) functions: Range<usize>,
}

impl<H: Host> Compiled<H> {
    pub(super) fn module(&self) -> &wasmtime::Module {
        self.instance.module()
    }
}

impl<H: Host> Engine<H> for Wasmtime {
    fn compile<'a>(
        &'a self,
        bytes: &'a [u8],
        settings: Settings,
        urgency: &'a Urgency,
        pace: &'a mut Pace,
    ) -> LocalBoxFuture<'a, Result<Box<dyn Module<H>>, String>> {
        Box::pin(async move {
            let compiled: Compiled<H> = compile(self, bytes, settings, urgency, pace).await?;
            Ok(Box::new(compiled) as Box<dyn Module<H>>)
        })
    }

    fn name(&self) -> &'static str {
        self.engines.machine().name()
    }

    fn counts_fuel(&self, limits: &Limits, has_clock: bool) -> bool {
        limits.fuel.is_some() || !has_clock || !self.engines.machine().can_interrupt()
    }
}

/// wasmtime links the module at once, so other tasks wait.
async fn compile<H: Host>(
    wasmtime: &Wasmtime,
    bytes: &[u8],
    settings: Settings,
    urgency: &Urgency,
    pace: &mut Pace,
) -> Result<Compiled<H>, String> {
    let name = Engine::<H>::name(wasmtime);
    let code = wasmtime.settings(settings.counts_fuel);
    let Settings { stack_bytes, has_large_tables, .. } = settings;
    let variant = Variant { code, stack_bytes, is_pooled: !has_large_tables };
    let engine = wasmtime.engines.get(variant).map_err(|error| format!("{error:#}"))?;
    let bytes = add_exports(bytes, settings.exposes_state, pace).await;
    if pace.is_stopped() {
        return Err(STOPPED.to_owned());
    }
    check_length(&bytes)?;
    if let Err(error) = validate(&bytes, pace).await {
        return Err(if pace.is_stopped() { error } else { explain(name, &bytes, &error) });
    }
    let machine = wasmtime.engines.machine().clone();
    let module = match urgency.is_raised() {
        true => machine.module(&engine, &bytes, code).await,
        false => machine.module_for_later(&engine, &bytes, code, urgency).await,
    };
    let module = module.map_err(|error| explain_no_code(name, &error))?;
    let mut linker = Linker::new(&engine);
    link(&mut linker, &module, settings.unknown_imports, pace).await?;
    let instance = linker.instantiate_pre(&module).map_err(|error| error.to_string())?;
    Ok(Compiled { instance, machine, counts_fuel: settings.counts_fuel, functions: functions(&module) })
}

/// The addresses of a module's own functions, which wasmtime places next to each other, before all trampolines.
fn functions(module: &wasmtime::Module) -> Range<usize> {
    let text = module.text().as_ptr().addr();
    module.functions().fold(0..0, |all: Range<usize>, function| {
        let start = text + function.offset;
        let end = start + function.len;
        if all.is_empty() { start..end } else { all.start.min(start)..all.end.max(end) }
    })
}
