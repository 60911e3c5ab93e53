//! Rewrites WebAssembly proposals that the engine lacks: exceptions, in both encodings, and atomic instructions for
//! single-threaded programs.
//!
//! **Exceptions.** An exception in flight is a tag's number in a global of the module, 0 if there is none, and its values
//! in further globals. A throw sets them and branches to the innermost handler of the function, which is a `try_table`, a
//! `try`, or the function's end; a call of a function that may throw is followed by a test of the tag. After a handler's
//! block the tag is compared with the clauses. An `exnref` is an `i64`: the tag, and either the only value of the
//! exception or the number of a record in a separate memory and tables. A function's records are freed when it is left.
//! An exception that leaves an export or the start function is a trap.
//!
//! **Atomic instructions** become plain ones after a test of the address's alignment. A shared memory becomes an ordinary
//! one, since there is only one thread. An endless wait for another thread is a trap.
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

/// Proposals that an engine supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// None of the rewritten proposals.
    Nothing,
    /// Exceptions, but not in their older form. A module with something else to rewrite is rewritten as a whole.
    Exceptions,
}

/// `module` without exceptions and atomic instructions; `None` if it has none that must go, or is not a module.
///
/// # Errors
/// For an invalid module, or one that cannot be rewritten.
pub fn lower(module: &[u8], kept: Kept) -> Result<Option<Vec<u8>>> {
    match Facts::of(module) {
        Ok(facts) if !facts.is_plain(kept) => Copy::of(module, facts).map(Some).map_err(plain_error),
        // Errors of the module are reported by the engine.
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
