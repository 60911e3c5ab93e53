//! The interpreter.

use crate::{Bits, Call, Inputs, Observed, Reason, Runner, hash};
use wasmi::errors::{ErrorKind, InstantiationError};
use wasmi::{Config, Engine, Extern, Func, Instance, Linker, Module, Store, TrapCode, Val, ValType};

/// wasmi.
pub struct Interpreted;

impl Runner for Interpreted {
    fn name(&self) -> &'static str {
        "wasmi"
    }

    fn run(&self, module: &[u8], seed: u64) -> Observed {
        let mut config = Config::default();
        config.wasm_wide_arithmetic(true);
        let engine = Engine::new(&config);
        let Ok(module) = Module::new(&engine, module) else { return Observed::Refused };
        let mut store = Store::new(&engine, ());
        match Linker::new(&engine).instantiate_and_start(&mut store, &module) {
            Ok(instance) => called(&mut store, &module, instance, seed),
            Err(error) => Observed::Stillborn(reason(&error)),
        }
    }
}

fn called(store: &mut Store<()>, module: &Module, instance: Instance, seed: u64) -> Observed {
    let mut inputs = Inputs::new(seed);
    let (mut calls, mut globals, mut memories) = (Vec::new(), Vec::new(), Vec::new());
    let mut names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    // Not every engine keeps their order.
    names.sort();
    let find = |store: &Store<()>, name: &str| instance.get_export(store, name);
    for name in &names {
        if let Some(Extern::Func(function)) = find(store, name) {
            let outcome = call(store, function, &mut inputs);
            calls.push(Call { name: name.clone(), outcome });
        }
    }
    for name in &names {
        match find(store, name) {
            Some(Extern::Global(global)) => globals.push(bits(&global.get(&*store))),
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
    let arguments: Vec<Val> = ty.params().iter().map(|&ty| argument(ty, inputs)).collect();
    let mut results: Vec<Val> = ty.results().iter().map(|&ty| Val::default_for_ty(ty)).collect();
    match function.call(store, &arguments, &mut results) {
        Ok(()) => Ok(results.iter().map(bits).collect()),
        Err(error) => Err(reason(&error)),
    }
}

fn argument(ty: ValType, inputs: &mut Inputs) -> Val {
    let bits = inputs.bits();
    match ty {
        ValType::I32 => Val::I32(bits as i32),
        ValType::I64 => Val::I64(bits as i64),
        ValType::F32 => Val::F32(f32::from_bits(bits as u32).into()),
        ValType::F64 => Val::F64(f64::from_bits(bits).into()),
        ValType::V128 => Val::V128((u128::from(bits) << 64 | u128::from(!bits)).into()),
        ValType::FuncRef | ValType::ExternRef => Val::default_for_ty(ty),
    }
}

fn bits(value: &Val) -> Bits {
    match value {
        Val::I32(value) => u128::from(*value as u32),
        Val::I64(value) => u128::from(*value as u64),
        Val::F32(value) => u128::from(value.to_bits()),
        Val::F64(value) => u128::from(value.to_bits()),
        Val::V128(value) => value.as_u128(),
        Val::FuncRef(reference) => u128::from(reference.is_null()),
        Val::ExternRef(reference) => u128::from(reference.is_null()),
    }
}

fn reason(error: &wasmi::Error) -> Reason {
    if let ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) = error.kind() {
        return Reason::TableOrReference;
    }
    match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => Reason::Unreachable,
        Some(TrapCode::MemoryOutOfBounds) => Reason::MemoryBounds,
        Some(TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull) => Reason::TableOrReference,
        Some(TrapCode::IntegerDivisionByZero) => Reason::DivisionByZero,
        Some(TrapCode::IntegerOverflow) => Reason::IntegerOverflow,
        Some(TrapCode::BadConversionToInteger) => Reason::BadConversion,
        Some(TrapCode::BadSignature) => Reason::BadSignature,
        Some(TrapCode::StackOverflow) => Reason::StackOverflow,
        _ => Reason::Other,
    }
}
