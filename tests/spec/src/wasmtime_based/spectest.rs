//! The items that scripts import from "spectest". Its functions print nothing.

use std::collections::HashMap;
use wasmtime::{
    Extern, Func, Global, GlobalType, Memory, MemoryType, Mutability, Ref, RefType, Result, Store, Table,
    TableType, Val, ValType,
};

pub(super) fn spectest(store: &mut Store<()>) -> Result<HashMap<&'static str, Extern>> {
    let table = Table::new(&mut *store, TableType::new(RefType::FUNCREF, 10, Some(20)), Ref::Func(None))?;
    let table64 = Table::new(&mut *store, TableType::new64(RefType::FUNCREF, 10, Some(20)), Ref::Func(None))?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    let mut global = |ty, value| {
        Global::new(&mut *store, GlobalType::new(ty, Mutability::Const), value).map(Extern::Global)
    };
    let globals = [
        ("global_i32", global(ValType::I32, Val::I32(666))?),
        ("global_i64", global(ValType::I64, Val::I64(666))?),
        ("global_f32", global(ValType::F32, Val::F32(666.6_f32.to_bits()))?),
        ("global_f64", global(ValType::F64, Val::F64(666.6_f64.to_bits()))?),
    ];
    let functions = [
        ("print", Func::wrap(&mut *store, || ())),
        ("print_i32", Func::wrap(&mut *store, |_: i32| ())),
        ("print_i64", Func::wrap(&mut *store, |_: i64| ())),
        ("print_f32", Func::wrap(&mut *store, |_: f32| ())),
        ("print_f64", Func::wrap(&mut *store, |_: f64| ())),
        ("print_i32_f32", Func::wrap(&mut *store, |_: i32, _: f32| ())),
        ("print_f64_f64", Func::wrap(&mut *store, |_: f64, _: f64| ())),
    ];
    let functions = functions.map(|(name, function)| (name, Extern::Func(function)));
    let others = [
        ("table", Extern::Table(table)),
        ("table64", Extern::Table(table64)),
        ("memory", Extern::Memory(memory)),
    ];
    Ok(globals.into_iter().chain(functions).chain(others).collect())
}
