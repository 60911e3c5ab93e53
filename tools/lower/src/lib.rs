//! Rewrites WebAssembly proposals that the engine does not have in terms of what it has: exceptions, in both their forms,
//! and atomic instructions for programs of one thread.
//!
//! **Exceptions.** An exception in flight is a tag's number in a global of the module, 0 when there is none, and its values
//! in further globals. A throw sets them and branches to the innermost handler of the function, which is a `try_table`, a
//! `try`, or the function's end; a call of a function that may throw is followed by a test of the tag. Behind a handler's
//! block the tag is compared with the clauses. An `exnref` is an `i64`: the tag, and either the only value of the exception
//! or the number of a record in a memory and tables of their own. Records of a function's own are free again when it is
//! left. An exception that leaves an export or the start function is a trap.
//!
//! **Atomic instructions** become plain ones behind a test of the address's alignment. A shared memory becomes an ordinary
//! one: there is one thread. What would wait for another thread for ever is a trap.
//!
//! The input is validated on the way, and the output is linear in its size.

mod atomic;
mod atomics;
mod copy;
mod exceptions;
mod facts;
mod function;
mod helper_code;
mod helpers;
mod lowered;
mod names;
mod payload;
mod records;
mod runtime;
mod types;

use anyhow::{Result, anyhow};
use wasm_encoder::reencode::Error;

use copy::Copy;
use facts::Facts;

pub use helpers::{ENTRY_PREFIX, HELPER_PREFIX, TRAP_PREFIX};

/// `module` without exceptions and atomic instructions; `None` when it has neither, or is no module at all.
///
/// # Errors
/// For a module that is not valid, or uses something that cannot be rewritten.
pub fn lower(module: &[u8]) -> Result<Option<Vec<u8>>> {
    match Facts::of(module) {
        Ok(facts) if !facts.is_plain() => Copy::of(module, facts).map(Some).map_err(plain_error),
        // What is broken is the engine's to report.
        Ok(_) | Err(Error::ParseError(_)) => Ok(None),
        Err(error) => Err(plain_error(error)),
    }
}

fn plain_error(error: Error<anyhow::Error>) -> anyhow::Error {
    match error {
        Error::UserError(problem) => problem,
        Error::ParseError(error) => anyhow!("not a valid module: {error}"),
        other => anyhow!("{other}"),
    }
}
