//! Generated code.

mod convert;
mod spectest;

use crate::{Argument, Engine, Failure, Value};
use convert::{argument, failure, value};
use std::{collections::HashMap, pin::Pin, rc::Rc};
use wasmtime::{Config, Extern, Instance, Module, Store, Val};

/// Where the code of a module comes from. The error says why there is none.
pub type Compile = Rc<
    dyn for<'a> Fn(
        &'a wasmtime::Engine,
        &'a [u8],
    ) -> Pin<Box<dyn Future<Output = Result<Module, String>> + 'a>>,
>;

/// As in the host: a limit for guests, and above it room for its own functions.
const STACK_BYTES: usize = 1 << 20;
const HOST_STACK_BYTES: usize = 2 << 20;

/// wasmtime's runtime.
pub struct Compiled {
    engine: wasmtime::Engine,
    store: Store<()>,
    spectest: HashMap<&'static str, Extern>,
    registered: HashMap<String, Instance>,
    compile: Compile,
}

impl Compiled {
    /// An engine with these settings.
    ///
    /// # Errors
    /// If they are not possible here.
    pub fn engine(mut config: Config) -> Result<wasmtime::Engine, String> {
        config.max_wasm_stack(STACK_BYTES).async_stack_size(STACK_BYTES + HOST_STACK_BYTES);
        wasmtime::Engine::new(&config).map_err(|error| format!("{error:#}"))
    }

    /// An engine without instances.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn new(engine: &wasmtime::Engine, compile: Compile) -> Result<Self, String> {
        let engine = engine.clone();
        let mut store = Store::new(&engine, ());
        let spectest = spectest::spectest(&mut store).map_err(|error| format!("{error:#}"))?;
        Ok(Self { engine, store, spectest, registered: HashMap::new(), compile })
    }

    fn find(&mut self, module: &str, name: &str) -> Option<Extern> {
        match self.registered.get(module) {
            Some(instance) => instance.get_export(&mut self.store, name),
            None if module == "spectest" => self.spectest.get(name).cloned(),
            None => None,
        }
    }
}

impl Engine for Compiled {
    type Module = Module;
    type Instance = Instance;

    async fn module(&mut self, bytes: &[u8]) -> Result<Module, String> {
        (self.compile)(&self.engine, bytes).await
    }

    async fn instantiate(&mut self, module: &Module) -> Result<Instance, Failure> {
        let mut imports = Vec::new();
        for import in module.imports() {
            let found = self.find(import.module(), import.name());
            let unknown =
                || Failure::Unlinkable(format!("unknown import {} {}", import.module(), import.name()));
            imports.push(found.ok_or_else(unknown)?);
        }
        Instance::new_async(&mut self.store, module, &imports).await.map_err(|error| failure(&error, true))
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
        let function = instance.get_func(&mut self.store, function);
        let function = function.ok_or_else(|| Failure::Other("there is no such function".to_owned()))?;
        let arguments: Result<Vec<_>, _> =
            arguments.iter().map(|value| argument(&mut self.store, *value)).collect();
        let arguments = arguments.map_err(|error| failure(&error, false))?;
        // Their types do not matter before the call.
        let mut results = vec![Val::I32(0); function.ty(&self.store).results().len()];
        let called = function.call_async(&mut self.store, &arguments, &mut results).await;
        called.map_err(|error| failure(&error, false))?;
        let results: Result<_, _> = results.iter().map(|result| value(&mut self.store, result)).collect();
        results.map_err(|error| failure(&error, false))
    }

    fn global(&mut self, instance: &Instance, name: &str) -> Result<Value, Failure> {
        let global = instance.get_global(&mut self.store, name);
        let global = global.ok_or_else(|| Failure::Other("there is no such global".to_owned()))?;
        let found = global.get(&mut self.store);
        value(&mut self.store, &found).map_err(|error| failure(&error, false))
    }
}
