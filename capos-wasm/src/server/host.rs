//! A host of instances as a capability.

use super::{WasmInstance, file::read_file, grants::grants};
use crate::{End, Host, InstanceHandle, InstanceSpec, Launch, Limits, Options};
use capnp::Error;
use capos_schema::wasm_capnp::{instance_options, instance_spec, wasm_host, wasm_instance};
use std::{borrow::Cow, rc::Rc};

/// Finds a module by its name in the boot package.
pub type ModuleLookup = Rc<dyn Fn(&str) -> Option<&'static [u8]>>;

/// Creates the client of a started instance: by the runtime in a process, within one process in tests.
pub type ServeInstance = fn(WasmInstance) -> wasm_instance::Client;

/// Serves `WasmHost`.
pub struct WasmHost {
    host: Rc<Host>,
    modules: ModuleLookup,
    serve: ServeInstance,
}

impl WasmHost {
    /// Starts instances on `host`, and named modules from `modules`.
    pub fn new(host: Rc<Host>, modules: ModuleLookup, serve: ServeInstance) -> Self {
        Self { host, modules, serve }
    }

    async fn launch(&self, spec: InstanceSpec) -> Result<wasm_instance::Client, Error> {
        let handle: InstanceHandle = self.host.start(spec);
        // Killed if this call is cancelled.
        let instance = WasmInstance::new(handle.clone());
        handle.started().await;
        if let Some(End::FailedToStart(reason)) = handle.end() {
            return Err(Error::failed(reason));
        }
        Ok((self.serve)(instance))
    }

    /// The module that a specification refers to, and its name in messages.
    async fn module(&self, spec: instance_spec::Reader<'_>) -> Result<(Cow<'static, [u8]>, String), Error> {
        match spec.get_module().which()? {
            instance_spec::module::Bytes(bytes) => Ok((Cow::Owned(bytes?.to_vec()), "(given)".to_owned())),
            instance_spec::module::Named(name) => {
                let name = name?.to_str()?;
                let module = (self.modules)(name);
                let module = module.ok_or_else(|| Error::failed(format!("no module {name:?}")))?;
                Ok((Cow::Borrowed(module), name.to_owned()))
            }
            instance_spec::module::File(file) => {
                let file = file?;
                let path = file.get_path()?;
                let shown = String::from_utf8_lossy(path).into_owned();
                let module = read_file(&file.get_directory()?, path).await;
                let module = module.map_err(|error| Error {
                    extra: format!("module {shown:?}: {}", error.extra),
                    ..error
                })?;
                Ok((Cow::Owned(module), shown))
            }
        }
    }
}

fn options(reader: instance_options::Reader<'_>) -> Result<Options, Error> {
    Options::read(reader.get_restart()?, reader.get_trap_unknown_imports(), reader.get_engine())
}

impl wasm_host::Server for WasmHost {
    async fn start(
        self: Rc<Self>,
        params: wasm_host::StartParams,
        mut results: wasm_host::StartResults,
    ) -> Result<(), Error> {
        let spec = params.get()?.get_spec()?;
        let (module, module_name) = self.module(spec).await?;
        let (grants, named) = grants(spec.get_grants()?).await?;
        let spec = InstanceSpec {
            module,
            module_name,
            name: spec.get_name()?.to_str()?.to_owned(),
            launch: Launch::read(spec.get_launch()?).map_err(|error| Error::failed(error.to_string()))?,
            grants,
            named,
            limits: Limits::read(spec.get_limits()?),
            run: spec.get_run(),
            options: options(spec.get_options()?)?,
        };
        results.get().set_instance(self.launch(spec).await?);
        Ok(())
    }
}
