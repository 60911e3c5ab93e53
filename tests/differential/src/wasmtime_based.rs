//! Code for the processor and for the portable interpreter, with the settings of the compiler service.

#[cfg(not(target_os = "hermit"))]
use crate::Runner;
use crate::{Bits, Call, Inputs, Observed, Reason, hash};
use capos_codegen::{Settings, config};
use wasmtime::{Config, Engine, Extern, Func, Instance, Module, Ref, Store, Trap, Val, ValType};

/// More than the deepest recursion of a generated module takes.
const STACK_BYTES: usize = 16 << 20;

/// wasmtime with one kind of code.
pub struct Generated {
    engine: Engine,
    settings: Settings,
}

impl Generated {
    /// # Panics
    /// If the settings are not possible here.
    pub fn new(settings: Settings) -> Self {
        Self::configured(settings, |config| {
            config.max_wasm_stack(STACK_BYTES).async_stack_size(2 * STACK_BYTES);
        })
    }

    /// With what else the machine needs.
    ///
    /// # Panics
    /// If the settings are not possible here.
    pub fn configured(settings: Settings, complete: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(settings).expect("the settings are possible");
        complete(&mut config);
        Self { engine: Engine::new(&config).expect("the settings are possible"), settings }
    }

    /// The engine that compiles, or has the code of, its modules.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Runs a module as [`Runner::run`] does.
    ///
    /// # Panics
    /// If the settings are not possible here.
    pub fn observe(&self, module: &Module, seed: u64) -> Observed {
        let mut store = Store::new(&self.engine, ());
        if self.settings.counts_fuel {
            store.set_fuel(u64::MAX).expect("fuel is counted");
            store.set_epoch_deadline(u64::MAX / 2);
        }
        match Instance::new(&mut store, module, &[]) {
            Ok(instance) => called(&mut store, module, instance, seed),
            Err(error) => Observed::Stillborn(reason(&error)),
        }
    }
}

#[cfg(not(target_os = "hermit"))]
impl Runner for Generated {
    fn name(&self) -> &'static str {
        match (self.settings.is_portable, self.settings.counts_fuel) {
            (true, _) => "Pulley",
            (false, true) => "compiled, counting fuel",
            (false, false) => "compiled",
        }
    }

    fn run(&self, module: &[u8], seed: u64) -> Observed {
        match Module::from_binary(&self.engine, module) {
            Ok(module) => self.observe(&module, seed),
            Err(_) => Observed::Refused,
        }
    }
}

fn called(store: &mut Store<()>, module: &Module, instance: Instance, seed: u64) -> Observed {
    let mut inputs = Inputs::new(seed);
    let (mut calls, mut globals, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    let mut names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    // Not every engine keeps their order.
    names.sort();
    for name in &names {
        if let Some(Extern::Func(function)) = instance.get_export(&mut *store, name) {
            let outcome = call(store, function, &mut inputs);
            calls.push(Call { name: name.clone(), outcome });
        }
    }
    for name in &names {
        match instance.get_export(&mut *store, name) {
            Some(Extern::Global(global)) => globals.push(bits(&global.get(&mut *store))),
            Some(Extern::Memory(memory)) => {
                let bytes = memory.data(&*store);
                memories.push((bytes.len(), hash(bytes)));
            }
            _ => {}
        }
    }
    Observed::Called { calls, globals, memories }
}

fn call(store: &mut Store<()>, function: Func, inputs: &mut Inputs) -> Result<Vec<Bits>, Reason> {
    let ty = function.ty(&*store);
    let arguments: Vec<Val> = ty.params().map(|ty| argument(&ty, inputs)).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    match function.call(store, &arguments, &mut results) {
        Ok(()) => Ok(results.iter().map(bits).collect()),
        Err(error) => Err(reason(&error)),
    }
}

fn argument(ty: &ValType, inputs: &mut Inputs) -> Val {
    let bits = inputs.bits();
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(bits as u32),
        ValType::F64 => Val::F64(bits),
        ValType::V128 => Val::V128((u128::from(bits) << 64 | u128::from(!bits)).into()),
        ValType::Ref(ty) => Ref::null(ty.heap_type()).into(),
    }
}

fn bits(value: &Val) -> Bits {
    match value {
        Val::I32(value) => u128::from(*value as u32),
        Val::I64(value) => u128::from(*value as u64),
        Val::F32(bits) => u128::from(*bits),
        Val::F64(bits) => u128::from(*bits),
        Val::V128(value) => value.as_u128(),
        reference => u128::from(reference.ref_().is_none_or(|reference| reference.is_null())),
    }
}

fn reason(error: &wasmtime::Error) -> Reason {
    match error.downcast_ref::<Trap>() {
        Some(Trap::UnreachableCodeReached) => Reason::Unreachable,
        Some(Trap::MemoryOutOfBounds) => Reason::MemoryBounds,
        Some(Trap::TableOutOfBounds | Trap::IndirectCallToNull) => Reason::TableOrReference,
        Some(Trap::IntegerDivisionByZero) => Reason::DivisionByZero,
        Some(Trap::IntegerOverflow) => Reason::IntegerOverflow,
        Some(Trap::BadConversionToInteger) => Reason::BadConversion,
        Some(Trap::BadSignature) => Reason::BadSignature,
        Some(Trap::StackOverflow) => Reason::StackOverflow,
        _ => Reason::Other,
    }
}
