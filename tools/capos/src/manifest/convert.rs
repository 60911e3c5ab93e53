//! Converts a checked [`Manifest`] to its Cap'n Proto form.

mod grants;
mod storage;

use std::collections::BTreeSet;

use capnp::{struct_list, text_list};
use capos_schema::launch_capnp::variable;
use capos_schema::manifest_capnp::{self, instance_entry, manifest, process_entry};
use capos_schema::process_capnp::limits;

use super::expand;
use super::model::*;

const FRAME_BYTES: u64 = 4096;
/// Memory of a wasm host besides its instances' linear memories, and per byte of a module (its copy and its translation).
const WASM_HOST_OVERHEAD: u64 = 16 << 20;
const WASM_HOST_PER_MODULE_BYTE: u64 = 4;
/// Interpreter memory per byte of an instance's `stack`: values and return addresses.
const WASM_HOST_PER_STACK_BYTE: u64 = 10;
/// Memory per table element: its place, and the new place when the table grows.
const WASM_HOST_PER_TABLE_ELEMENT: u64 = 16;
/// Defaults documented in the schema.
const DEFAULT_TABLE_ELEMENTS: u32 = 65_536;
const DEFAULT_INSTANCE_MEMORY: u64 = 64 << 20;
const DEFAULT_INSTANCE_STACK: u64 = 512 << 10;
const DEFAULT_PROCESS_MEMORY: u64 = 64 << 20;
/// Default and maximum number of capability slots of a process, as in the kernel.
const DEFAULT_CAPABILITY_SLOTS: u32 = 256;
pub(super) const MOST_CAPABILITY_SLOTS: u32 = 65_536;
const DEFAULT_DESCRIPTORS: u32 = 1024;

/// The error for a manifest with more entries than Cap'n Proto can count.
#[derive(Debug)]
pub struct TooLong;

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list in the manifest has too many entries")
    }
}

impl std::error::Error for TooLong {}

fn length<T>(list: &[T]) -> Result<u32, TooLong> {
    u32::try_from(list.len()).map_err(|_| TooLong)
}

fn counted<T>(list: &[T]) -> impl Iterator<Item = (u32, &T)> {
    (0u32..).zip(list)
}

/// The size in the package of the program with this name.
pub type Sizes<'a> = &'a dyn Fn(&str) -> u64;

/// Writes `from` into `to`.
pub fn convert(from: &Manifest, sizes: Sizes<'_>, mut to: manifest::Builder<'_>) -> Result<(), TooLong> {
    let from = &expand::expanded(from);
    to.set_name(&from.name);
    to.set_exit_from(from.exit_from.as_deref().unwrap_or_default());
    let mut entries = to.init_processes(length(&from.processes)?);
    for (index, process) in counted(&from.processes) {
        let mut entry = entries.reborrow().get(index);
        let limits = ProcessLimits {
            memory_bytes: memory_bytes(process, sizes),
            capability_slots: capability_slots(process),
            ..process.limits
        };
        convert_limits(&limits, entry.reborrow().init_limits());
        convert_process(from, process, entry)?;
    }
    Ok(())
}

fn convert_process(
    manifest: &Manifest,
    from: &Process,
    mut to: process_entry::Builder<'_>,
) -> Result<(), TooLong> {
    to.set_name(&from.name);
    to.set_binary(&from.binary.name);
    to.set_executable(from.executable);
    to.set_expect_fault(from.expect_fault);
    convert_texts(&from.args, to.reborrow().init_arguments(length(&from.args)?));
    convert_variables(&from.env, to.reborrow().init_environment(length(&from.env)?));
    let mut exports = to.reborrow().init_exports(length(&from.exports)?);
    for (index, export) in counted(&from.exports) {
        exports.set(index, export.name.as_str());
    }
    grants::convert_process(manifest, from, to.reborrow().init_grants(length(&from.grants)?))?;
    storage::convert_restart(from.restart, to.reborrow().init_restart());
    to.set_group(from.group.as_deref().unwrap_or_default());
    to.set_is_service(from.is_service);
    if let Some(flush) = &from.flush {
        let mut entry = to.reborrow().init_flush();
        entry.set_export(&flush.export);
        entry.set_timeout_nanoseconds(flush.timeout_ns.unwrap_or(0));
    }

    if let Some(host) = &from.wasm_host {
        let mut entry = to.init_wasm_host();
        entry.set_sequence(host.sequence);
        entry.set_exports(host.exports);
        entry.set_engine(convert_engine(Some(host.engine)));
        let mut instances = entry.init_instances(length(&host.instances)?);
        for (index, instance) in counted(&host.instances) {
            convert_instance(manifest, instance, instances.reborrow().get(index))?;
        }
    }
    Ok(())
}

/// Zero selects the documented default.
fn convert_limits(from: &ProcessLimits, mut to: limits::Builder<'_>) {
    let frames = from.memory_bytes.unwrap_or(0).div_ceil(FRAME_BYTES);
    to.set_frames(u32::try_from(frames).unwrap_or(u32::MAX));
    to.set_capability_slots(from.capability_slots.unwrap_or(0));
    to.set_threads(from.threads.unwrap_or(0));
    to.set_priority(from.priority.unwrap_or(0));
}

/// The memory limit; `None` selects the documented default.
///
/// A wasm host without an explicit limit gets enough for the linear memories of the instances that can exist
/// at once, if the default would not suffice.
fn memory_bytes(process: &Process, sizes: Sizes<'_>) -> Option<u64> {
    match (&process.limits.memory_bytes, &process.wasm_host) {
        (Some(bytes), _) => Some(*bytes),
        (None, None) => None,
        (None, Some(host)) => {
            let memories = host.instances.iter().map(|instance| {
                let stack = instance.limits.stack_bytes.unwrap_or(DEFAULT_INSTANCE_STACK);
                let linear = instance.limits.memory_bytes.unwrap_or(DEFAULT_INSTANCE_MEMORY);
                let elements = instance.limits.table_elements.unwrap_or(DEFAULT_TABLE_ELEMENTS);
                linear
                    .saturating_add(stack.saturating_mul(WASM_HOST_PER_STACK_BYTE))
                    .saturating_add(u64::from(elements).saturating_mul(WASM_HOST_PER_TABLE_ELEMENT))
            });
            let memory = if host.sequence {
                memories.max().unwrap_or(0)
            } else {
                memories.fold(0, u64::saturating_add)
            };
            let modules: BTreeSet<&str> =
                host.instances.iter().map(|instance| instance.module.name.as_str()).collect();
            let code = modules.into_iter().map(sizes).fold(WASM_HOST_OVERHEAD, |all, bytes| {
                all.saturating_add(bytes.saturating_mul(WASM_HOST_PER_MODULE_BYTE))
            });
            // Each as it is, and again for restarted ones.
            let launch = host.instances.iter().map(Instance::launch_bytes).fold(0, u64::saturating_add);
            let code = code.saturating_add(launch.saturating_mul(2));
            Some(memory.saturating_add(code)).filter(|bytes| *bytes > DEFAULT_PROCESS_MEMORY)
        }
    }
}

/// The limit of capability slots; `None` selects the documented default.
///
/// A wasm host without an explicit limit gets a slot for each file that the instances that can exist at once may have
/// open, up to the maximum.
fn capability_slots(process: &Process) -> Option<u32> {
    let Some(host) = process.wasm_host.as_ref().filter(|_| process.limits.capability_slots.is_none()) else {
        return process.limits.capability_slots;
    };
    let files = host.instances.iter().map(|instance| {
        let streams = [&instance.stdin, &instance.stdout, &instance.stderr];
        let has_files = !instance.preopens.is_empty()
            || streams.into_iter().any(|stream| matches!(stream, Stdio::File(_)));
        if has_files { instance.limits.descriptors.unwrap_or(DEFAULT_DESCRIPTORS) } else { 0 }
    });
    let files = if host.sequence { files.max().unwrap_or(0) } else { files.fold(0, u32::saturating_add) };
    let slots = DEFAULT_CAPABILITY_SLOTS.saturating_add(files).min(MOST_CAPABILITY_SLOTS);
    (files > 0).then_some(slots)
}

fn convert_instance(
    manifest: &Manifest,
    from: &Instance,
    mut to: instance_entry::Builder<'_>,
) -> Result<(), TooLong> {
    to.set_name(&from.name);
    to.set_module(&from.module.name);
    to.set_engine(convert_engine(from.engine));
    convert_texts(&from.args, to.reborrow().init_arguments(length(&from.args)?));
    if let Some(argv0) = &from.argv0 {
        to.set_argv0(argv0);
    }
    convert_variables(&from.env, to.reborrow().init_environment(length(&from.env)?));
    grants::convert_instance(manifest, &from.grants, to.reborrow().init_grants(length(&from.grants)?));
    to.set_trap_unknown_imports(from.trap_unknown_imports);
    to.set_invoke(from.invoke.as_deref().unwrap_or_default());
    storage::convert_streams(from, to.reborrow())?;
    storage::convert_restart(from.restart, to.reborrow().init_restart());
    let mut limits = to.init_limits();
    limits.set_memory_bytes(from.limits.memory_bytes.unwrap_or(0));
    limits.set_fuel(from.limits.fuel.unwrap_or(0));
    limits.set_wall_time_nanoseconds(from.limits.wall_time_ns.unwrap_or(0));
    limits.set_output_bytes(from.limits.output_bytes.unwrap_or(0));
    limits.set_table_elements(from.limits.table_elements.unwrap_or(0));
    limits.set_stack_bytes(from.limits.stack_bytes.unwrap_or(0));
    limits.set_descriptors(from.limits.descriptors.unwrap_or(0));
    Ok(())
}

fn convert_engine(from: Option<Engine>) -> manifest_capnp::Engine {
    match from {
        None => manifest_capnp::Engine::Unset,
        Some(Engine::Interpreter) => manifest_capnp::Engine::Interpreter,
        Some(Engine::Compiler) => manifest_capnp::Engine::Compiler,
        Some(Engine::Auto) => manifest_capnp::Engine::Auto,
    }
}

fn convert_texts(from: &[String], mut to: text_list::Builder<'_>) {
    for (index, text) in counted(from) {
        to.set(index, text.as_str());
    }
}

fn convert_variables(from: &[(String, String)], mut to: struct_list::Builder<'_, variable::Owned>) {
    for (index, (name, value)) in counted(from) {
        let mut variable = to.reborrow().get(index);
        variable.set_name(name);
        variable.set_value(value);
    }
}
