//! The counters behind `CompilerStatus`.

use std::cell::Cell;

/// Counts since the service started.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) compiled: Cell<u64>,
    pub(crate) from_cache: Cell<u64>,
    pub(crate) shared: Cell<u64>,
    pub(crate) failed: Cell<u64>,
    pub(crate) cancelled: Cell<u64>,
    pub(crate) rejected_entries: Cell<u64>,
    pub(crate) evicted_entries: Cell<u64>,
    pub(crate) cache_errors: Cell<u64>,
    /// Bytes of code held at present.
    pub(crate) code_bytes: Cell<u64>,
}

impl Counters {
    pub(crate) fn add(counter: &Cell<u64>) {
        counter.set(counter.get().saturating_add(1));
    }
}
