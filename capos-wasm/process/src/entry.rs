//! Converts a manifest entry to the specifications of its instances.

use crate::{grants::HostGrants, pipes::PipeEnds};
use capos_package::binary;
use capos_schema::manifest_capnp::{boot_package, instance_entry, process_entry};
use capos_wasm::{InstanceSpec, Launch, Limits, Options};
use std::borrow::Cow;

/// The entry of the process called `name`.
pub(crate) fn find(
    package: boot_package::Reader<'static>,
    name: &str,
) -> capnp::Result<process_entry::Reader<'static>> {
    for entry in package.get_manifest()?.get_processes()? {
        if entry.get_name()?.as_bytes() == name.as_bytes() {
            return Ok(entry);
        }
    }
    Err(capnp::Error::failed(format!("the manifest has no process \"{name}\"")))
}

/// The specification to start for `entry`. An error says what is wrong with the entry.
pub(crate) async fn spec(
    package: boot_package::Reader<'static>,
    entry: instance_entry::Reader<'static>,
    held: &HostGrants,
    pipes: PipeEnds,
) -> Result<InstanceSpec, String> {
    let (grants, named) = held.for_instance(entry, pipes).await?;
    read(package, entry).map_err(|error| error.to_string()).and_then(|(module, module_name, launch)| {
        Ok(InstanceSpec {
            module,
            module_name,
            name: name(entry).map_err(|error| error.to_string())?.to_owned(),
            launch: launch.map_err(|error| error.to_string())?,
            grants,
            named,
            limits: entry.get_limits().map(Limits::read).map_err(|error| error.to_string())?,
            run: true,
            options: options(entry).map_err(|error| error.to_string())?,
        })
    })
}

fn options(entry: instance_entry::Reader<'static>) -> capnp::Result<Options> {
    let invoke = entry.get_invoke()?.to_str()?;
    Ok(Options {
        invoke: (!invoke.is_empty()).then(|| invoke.to_owned()),
        ..Options::read(entry.get_restart()?, entry.get_trap_unknown_imports(), entry.get_engine())?
    })
}

/// The name of the instance in messages, and by default the first argument of its program.
pub(crate) fn name(entry: instance_entry::Reader<'static>) -> capnp::Result<&'static str> {
    Ok(entry.get_name()?.to_str()?)
}

type Parts = (Cow<'static, [u8]>, String, Result<Launch, capos_wasm::LaunchError>);

fn read(
    package: boot_package::Reader<'static>,
    entry: instance_entry::Reader<'static>,
) -> capnp::Result<Parts> {
    let module = entry.get_module()?.to_str()?;
    let program = if entry.has_argv0() { entry.get_argv0()?.to_str()? } else { name(entry)? };
    let launch = Launch::read_lists(Some(program), entry.get_arguments()?, entry.get_environment()?);
    let bytes = binary(package, module)?;
    Ok((Cow::Borrowed(bytes), module.to_owned(), launch))
}
