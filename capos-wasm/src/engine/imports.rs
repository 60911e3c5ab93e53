//! Checks on what a module imports.

use super::{Host, Signature};

/// Kind of an import.
pub(super) enum ImportKind {
    Function(Signature),
    Global,
    Memory,
    Table,
}

/// Starts a thread; imported by programs that are built for threads.
pub(super) const SPAWN: (&str, &str) = ("wasi", "thread-spawn");

/// Whether the import is [`SPAWN`].
pub(super) fn is_spawn(module: &str, name: &str) -> bool {
    (module, name) == SPAWN
}

/// The error for an unknown function, if it is one.
pub(super) fn unknown_function<H: Host>(module: &str, name: &str) -> Option<String> {
    if H::signature(module, name).is_some() {
        return None;
    }
    let why = if is_spawn(module, name) { ": it starts threads, and a program has one here" } else { "" };
    Some(format!("unknown import {name:?} of {module:?}{why}"))
}

/// The error for an import that is not a function.
pub(super) fn not_a_function(module: &str, name: &str, kind: &str) -> String {
    // Modules that are rewritten define it themselves.
    let also = if kind == "memory" { ", and one shared memory to a module of the boot package" } else { "" };
    format!("it imports the {kind} {name:?} of {module:?}; only functions are provided here{also}")
}

/// Checks that an import is an existing function with the right signature.
pub(super) fn check_import<H: Host>(module: &str, name: &str, kind: &ImportKind) -> Result<(), String> {
    let actual = match kind {
        ImportKind::Function(actual) => actual,
        ImportKind::Global => return Err(not_a_function(module, name, "global")),
        ImportKind::Memory => return Err(not_a_function(module, name, "memory")),
        ImportKind::Table => return Err(not_a_function(module, name, "table")),
    };
    if let Some(unknown) = unknown_function::<H>(module, name) {
        return Err(unknown);
    }
    let known = H::signature(module, name).map(|(params, results)| Signature::of_values(params, results));
    match known {
        Some(known) if known != *actual => {
            Err(format!("import {name:?} of {module:?} is {actual}, not {known}"))
        }
        _ => Ok(()),
    }
}

/// The message of a trap in an unknown function.
pub(super) fn called_unknown(module: &str, name: &str) -> String {
    let (name, module) = (super::printable(name), super::printable(module));
    format!("called {name:?} of {module:?}, which this host does not have")
}
