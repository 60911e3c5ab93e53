//! The interpreter.

use crate::{Argument, Engine, Failure, Reason, Value, value::Hierarchy};
use capos_proposals::configure_interpreter;
use std::collections::HashMap;
use wasmi::{
    AsContext, Config, Extern, ExternRef, Func, Global, Instance, Memory, MemoryType, Module, Mutability,
    Nullable, Ref, RefType, Store, Table, TableType, TrapCode, Val,
    errors::{ErrorKind, InstantiationError},
};

/// wasmi, with the proposals that are on in the host.
pub struct Interpreted {
    engine: wasmi::Engine,
    store: Store<()>,
    spectest: HashMap<&'static str, Extern>,
    registered: HashMap<String, Instance>,
}

impl Interpreted {
    /// An engine without instances.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn new() -> Result<Self, String> {
        let mut config = Config::default();
        configure_interpreter!(config);
        let engine = wasmi::Engine::new(&config);
        let mut store = Store::new(&engine, ());
        let spectest = spectest(&mut store).map_err(|error| error.to_string())?;
        Ok(Self { engine, store, spectest, registered: HashMap::new() })
    }

    fn find(&self, module: &str, name: &str) -> Option<Extern> {
        match self.registered.get(module) {
            Some(instance) => instance.get_export(&self.store, name),
            None if module == "spectest" => self.spectest.get(name).cloned(),
            None => None,
        }
    }
}

/// The items that scripts import from "spectest". Its functions print nothing.
fn spectest(store: &mut Store<()>) -> Result<HashMap<&'static str, Extern>, wasmi::Error> {
    let table = Table::new(
        &mut *store,
        TableType::new(RefType::Func, 10, Some(20)),
        Ref::default_for_ty(RefType::Func),
    )?;
    let memory = Memory::new(&mut *store, MemoryType::new(1, Some(2)))?;
    let mut global = |value| Extern::Global(Global::new(&mut *store, value, Mutability::Const));
    let globals = [
        ("global_i32", global(Val::I32(666))),
        ("global_i64", global(Val::I64(666))),
        ("global_f32", global(Val::F32(666.6.into()))),
        ("global_f64", global(Val::F64(666.6.into()))),
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
    let others = [("table", Extern::Table(table)), ("memory", Extern::Memory(memory))];
    Ok(globals.into_iter().chain(functions).chain(others).collect())
}

impl Engine for Interpreted {
    type Module = std::rc::Rc<Module>;
    type Instance = Instance;

    async fn module(&mut self, bytes: &[u8]) -> Result<Self::Module, String> {
        Module::new(&self.engine, bytes).map(Into::into).map_err(|error| error.to_string())
    }

    async fn instantiate(&mut self, module: &Self::Module) -> Result<Instance, Failure> {
        let mut imports = Vec::new();
        for import in module.imports() {
            let found = self.find(import.module(), import.name());
            let unknown =
                || Failure::Unlinkable(format!("unknown import {} {}", import.module(), import.name()));
            imports.push(found.ok_or_else(unknown)?);
        }
        Instance::new(&mut self.store, module, &imports).map_err(|error| failure(&error))
    }

    fn register(&mut self, name: &str, instance: &Instance) {
        self.registered.insert(name.to_owned(), *instance);
    }

    async fn invoke(
        &mut self,
        instance: &Instance,
        function: &str,
        arguments: &[Argument],
    ) -> Result<Vec<Value>, Failure> {
        let function = instance.get_func(&self.store, function);
        let function = function.ok_or_else(|| Failure::Other("there is no such function".to_owned()))?;
        let arguments =
            arguments.iter().map(|argument| self.argument(*argument)).collect::<Result<Vec<_>, _>>()?;
        let ty = function.ty(&self.store);
        let mut results: Vec<Val> = ty.results().iter().map(|ty| Val::default_for_ty(*ty)).collect();
        function.call(&mut self.store, &arguments, &mut results).map_err(|error| failure(&error))?;
        Ok(results.iter().map(|result| value(&self.store, result)).collect())
    }

    fn global(&mut self, instance: &Instance, name: &str) -> Result<Value, Failure> {
        let global = instance.get_global(&self.store, name);
        let global = global.ok_or_else(|| Failure::Other("there is no such global".to_owned()))?;
        Ok(value(&self.store, &global.get(&self.store)))
    }
}

impl Interpreted {
    fn argument(&mut self, argument: Argument) -> Result<Val, Failure> {
        Ok(match argument {
            Argument::I32(value) => Val::I32(value),
            Argument::I64(value) => Val::I64(value),
            Argument::F32(bits) => Val::F32(f32::from_bits(bits).into()),
            Argument::F64(bits) => Val::F64(f64::from_bits(bits).into()),
            Argument::V128(bits) => Val::V128(bits.into()),
            Argument::Null(Hierarchy::Func) => Val::FuncRef(Nullable::Null),
            Argument::Null(Hierarchy::Extern) => Val::ExternRef(Nullable::Null),
            Argument::Extern(number) => {
                Val::ExternRef(Nullable::Val(ExternRef::new(&mut self.store, number)))
            }
            Argument::Null(Hierarchy::Any | Hierarchy::Exn) | Argument::Host(_) => {
                return Err(Failure::Other("there are no such references here".to_owned()));
            }
        })
    }
}

fn value(store: impl AsContext, value: &Val) -> Value {
    match value {
        Val::I32(value) => Value::I32(*value),
        Val::I64(value) => Value::I64(*value),
        Val::F32(value) => Value::F32(value.to_bits()),
        Val::F64(value) => Value::F64(value.to_bits()),
        Val::V128(value) => Value::V128(value.as_u128()),
        Val::FuncRef(Nullable::Null) | Val::ExternRef(Nullable::Null) => Value::Null,
        Val::FuncRef(Nullable::Val(_)) => Value::Func,
        Val::ExternRef(Nullable::Val(reference)) => {
            Value::Extern(reference.data(&store).downcast_ref::<u32>().copied())
        }
    }
}

fn failure(error: &wasmi::Error) -> Failure {
    if let Some(code) = error.as_trap_code() {
        return Failure::Trap(reason(code));
    }
    match error.kind() {
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => {
            Failure::Trap(Reason::TableBounds)
        }
        ErrorKind::Instantiation(_) | ErrorKind::Linker(_) => Failure::Unlinkable(error.to_string()),
        _ => Failure::Other(error.to_string()),
    }
}

fn reason(code: TrapCode) -> Reason {
    match code {
        TrapCode::UnreachableCodeReached => Reason::Unreachable,
        TrapCode::MemoryOutOfBounds => Reason::MemoryBounds,
        TrapCode::TableOutOfBounds => Reason::TableBounds,
        TrapCode::IndirectCallToNull => Reason::Uninitialized,
        TrapCode::IntegerDivisionByZero => Reason::DivisionByZero,
        TrapCode::IntegerOverflow => Reason::IntegerOverflow,
        TrapCode::BadConversionToInteger => Reason::Conversion,
        TrapCode::StackOverflow => Reason::StackExhausted,
        TrapCode::BadSignature => Reason::Signature,
        _ => Reason::Other,
    }
}
