//! Checks that a module can start as a manifest's instance: what its host would refuse is reported before
//! anything boots.

use capos_volume_tool::show_size;
use wasmparser_263::{FuncType, MemoryType};

use super::call::{BadCall, call};
use super::module::{Import, Kind, Module};
use super::needs::type_of;
use super::setting::Setting;
use crate::manifest::candidates::suggestion;
use crate::manifest::{Instance, InstanceLimits};

/// Default limits of an instance.
pub const DEFAULT_MEMORY_BYTES: u64 = 64 << 20;
/// The same for the elements of its tables.
pub const DEFAULT_TABLE_ELEMENTS: u32 = 65_536;
const PAGE_BYTES: u64 = 64 << 10;

/// A problem that prevents an instance from starting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The field of the instance at fault; empty for its module.
    pub field: String,
    /// The problem.
    pub reason: String,
}

/// All problems of a valid module that prevent `instance` from starting.
pub fn misfits(module: &Module, instance: &Instance, setting: Setting) -> Vec<Misfit> {
    let mut found = Vec::new();
    let mut add = |field: &str, reason: String| found.push(Misfit { field: field.to_owned(), reason });
    let wrong: Vec<String> = module.imports.iter().filter_map(wrong_import).collect();
    let no_program = instance.invoke.is_none().then(|| no_program(module, setting)).flatten();
    // Functions that trap would not help a module that is refused for another reason.
    let is_all = wrong.is_empty() && no_program.is_none();
    if let Some(reason) = unknown_functions(module, instance, setting, is_all) {
        add("", reason);
    }
    wrong.into_iter().for_each(|reason| add("", reason));
    match &instance.invoke {
        Some(function) => match call(module, function, &instance.args) {
            Ok(()) => {}
            Err(BadCall::Function(reason)) => add("invoke", format!("{function:?}: {reason}")),
            Err(BadCall::Argument(index, reason)) => add(&format!("args.{index}"), reason),
        },
        None => no_program.into_iter().for_each(|reason| add("", reason)),
    }
    if let Some(reason) = too_much_memory(module, &instance.limits, setting) {
        add("limits.memory", reason);
    }
    if let Some(reason) = too_many_elements(module, &instance.limits, setting) {
        add("limits.tableElements", reason);
    }
    found
}

/// `is_all` says that nothing else is wrong with the module.
fn unknown_functions(module: &Module, instance: &Instance, setting: Setting, is_all: bool) -> Option<String> {
    if instance.trap_unknown_imports {
        return None;
    }
    let imports = module.imports.iter();
    let unknown: Vec<_> = imports
        .filter(|import| matches!(import.kind, Kind::Function(_)) && import.grant().is_none())
        .collect();
    super::unknown::unknown(module, &unknown, setting, is_all)
}

/// A known function must have its type, and nothing else can be imported. (Programs with threads are rewritten to define
/// their own memory.)
fn wrong_import(import: &Import) -> Option<String> {
    let Import { module, name, kind } = import;
    match kind {
        Kind::Function(Some(ty)) => {
            let known = type_of(module, name)?;
            let text = |ty: &FuncType| Kind::Function(Some(ty.clone())).text();
            (*ty != known)
                .then(|| {
                    let (wanted, known) = (text(ty), text(&known));
                    format!("it imports {name:?} of {module:?} with the type {wanted}, but that function has the type {known}")
                })
        }
        Kind::Function(None) => None,
        other => {
            // A shared memory is the module's own after rewriting, if it is the only one.
            let also =
                if matches!(other, Kind::Memory(_)) { ", and one shared memory to each module" } else { "" };
            Some(format!(
                "it imports the {} {name:?} of {module:?}; only functions are provided here{also}",
                other.word()
            ))
        }
    }
}

/// The reason why the module is not a program. A module without exports is a program that does nothing.
fn no_program(module: &Module, setting: Setting) -> Option<String> {
    if let Some(start) = module.exported_function("_start") {
        let plain = start.params().is_empty() && start.results().is_empty();
        return (!plain).then(|| "_start must not have parameters or results".to_owned());
    }
    if module.exports.is_empty() {
        return None;
    }
    let functions = module.exports.iter().filter(|export| matches!(export.kind, Kind::Function(_)));
    let names: Vec<String> = functions.map(|export| export.name.escape_debug().to_string()).collect();
    let call = match setting {
        Setting::Field => "`invoke`",
        Setting::Option => "--invoke",
    };
    let calls = if names.is_empty() {
        String::new()
    } else {
        format!("; {call} calls another function{}", suggestion("_start", &names))
    };
    Some(format!("the module exports no function _start{calls}"))
}

fn too_much_memory(module: &Module, limits: &InstanceLimits, setting: Setting) -> Option<String> {
    let wanted = module.memories.iter().map(bytes).fold(0, u64::saturating_add);
    let limit = limits.memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES);
    let mebibytes = wanted.div_ceil(1 << 20);
    let set = match setting {
        Setting::Field => format!("`limits: memory: \"{mebibytes}MiB\"`"),
        Setting::Option => format!("--memory {mebibytes}MiB"),
    };
    (wanted > limit).then(|| {
        let (wanted, limit) = (show_size(wanted), show_size(limit));
        format!("it needs {wanted} of memory and its limit is {limit}; {set} allows that")
    })
}

fn bytes(memory: &MemoryType) -> u64 {
    let page = memory.page_size_log2.map_or(PAGE_BYTES, |log2| 1u64.checked_shl(log2).unwrap_or(u64::MAX));
    memory.initial.saturating_mul(page)
}

fn too_many_elements(module: &Module, limits: &InstanceLimits, setting: Setting) -> Option<String> {
    let wanted = module.tables.iter().map(|table| table.initial).fold(0, u64::saturating_add);
    let limit = limits.table_elements.unwrap_or(DEFAULT_TABLE_ELEMENTS);
    let set = match setting {
        Setting::Field => format!("`limits: tableElements: {wanted}`"),
        Setting::Option => format!("--table-elements {wanted}"),
    };
    (wanted > limit.into())
        .then(|| format!("it needs {wanted} table elements and its limit is {limit}; {set} allows that"))
}
