//! A host of instances as a capability.

use super::{WasmInstance, file::read_file, grants::grants};
use crate::{End, Host, InstanceHandle, InstanceSpec, Launch, Limits, Options, Restart, UnknownImports};
use capnp::Error;
use capos_schema::wasm_capnp::{instance_options, wasm_host, wasm_instance};
use std::{borrow::Cow, rc::Rc};

/// Finds a module by the name that the boot package gives it.
pub type ModuleLookup = Rc<dyn Fn(&str) -> Option<&'static [u8]>>;

/// Serves `WasmHost`.
pub struct WasmHost {
    host: Rc<Host>,
    modules: ModuleLookup,
}

impl WasmHost {
    /// Starts instances on `host`, and named modules from `modules`.
    pub fn new(host: Rc<Host>, modules: ModuleLookup) -> Self {
        Self { host, modules }
    }

    async fn launch(&self, spec: InstanceSpec) -> Result<wasm_instance::Client, Error> {
        let handle: InstanceHandle = self.host.start(spec);
        handle.started().await;
        if let Some(End::FailedToStart(reason)) = handle.end() {
            return Err(Error::failed(reason));
        }
        Ok(capnp_rpc::new_client(WasmInstance::new(handle)))
    }
}

/// The ways to start an instance differ only in where the module comes from, and in the types generated for them.
macro_rules! spec {
    ($params:ident, $module:expr, $module_name:expr) => {
        InstanceSpec {
            module: $module,
            module_name: $module_name,
            name: $params.get_name()?.to_str()?.to_owned(),
            launch: Launch::read($params.get_launch()?).map_err(|error| Error::failed(error.to_string()))?,
            grants: grants($params.get_grants()?).await?,
            limits: Limits::read($params.get_limits()?),
            run: $params.get_run(),
            options: options($params.get_options()?)?,
        }
    };
}

fn options(reader: instance_options::Reader<'_>) -> Result<Options, Error> {
    let unknown_imports = match reader.get_trap_unknown_imports() {
        true => UnknownImports::Trap,
        false => UnknownImports::Deny,
    };
    Ok(Options {
        restart: Restart::read(reader.get_restart()?)?,
        on_restart: None,
        unknown_imports,
        invoke: None,
    })
}

impl wasm_host::Server for WasmHost {
    async fn start(
        self: Rc<Self>,
        params: wasm_host::StartParams,
        mut results: wasm_host::StartResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let module = Cow::Owned(params.get_module()?.to_vec());
        let spec = spec!(params, module, "(given)".to_owned());
        results.get().set_instance(self.launch(spec).await?);
        Ok(())
    }

    async fn start_named(
        self: Rc<Self>,
        params: wasm_host::StartNamedParams,
        mut results: wasm_host::StartNamedResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let name = params.get_module()?.to_str()?;
        let module = (self.modules)(name);
        let module = module.ok_or_else(|| Error::failed(format!("no module {name:?}")))?;
        let spec = spec!(params, Cow::Borrowed(module), name.to_owned());
        results.get().set_instance(self.launch(spec).await?);
        Ok(())
    }

    async fn start_file(
        self: Rc<Self>,
        params: wasm_host::StartFileParams,
        mut results: wasm_host::StartFileResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let path = params.get_path()?;
        let shown = String::from_utf8_lossy(path).into_owned();
        let module = read_file(&params.get_directory()?, path).await;
        let module =
            module.map_err(|error| Error { extra: format!("module {shown:?}: {}", error.extra), ..error })?;
        let spec = spec!(params, Cow::Owned(module), shown);
        results.get().set_instance(self.launch(spec).await?);
        Ok(())
    }
}
