//! Memory and table limits.

use crate::{
    Limits,
    account::{Control, Missing, Refusal},
};
use std::{fmt, rc::Rc};
use wasmi::{
    ResourceLimiter,
    errors::{MemoryError, TableError},
};
use wasmi_core::LimiterError;

/// No program needs more memories or tables than this in one instance.
const MAX_MEMORIES: usize = 16;
const MAX_TABLES: usize = 64;

/// A resource with a limit that a start may not fit in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Memory,
    TableElements,
}

/// Growth that was refused: what there would have been, and the limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) resource: Resource,
    pub(super) wanted: u64,
    pub(super) limit: u64,
}

impl fmt::Display for Refused {
    /// As the reason why an instance does not start, with what lets it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, wanted, limit } = self;
        let (unit, field, option) = match resource {
            Resource::Memory => ("bytes of memory", "memory", "--memory"),
            Resource::TableElements => ("table elements", "tableElements", "--table-elements"),
        };
        // Pages of memory have 64 KiB, unless a module has others, which this engine does not know.
        let enough = match resource {
            Resource::Memory => format!("{}KiB", wanted.div_ceil(1 << 10)),
            Resource::TableElements => wanted.to_string(),
        };
        write!(f, "it needs {wanted} {unit} and its limit is {limit}: ")?;
        write!(f, "raise `limits.{field}` to {enough} in the manifest or pass {option} {enough}")
    }
}

/// One resource of which an instance may have only so much in all.
struct Quota {
    used: u64,
    limit: u64,
    /// Taken by the growth under way, to be given back should it fail.
    growing: u64,
}

impl Quota {
    fn new(limit: u64) -> Self {
        Self { used: 0, limit, growing: 0 }
    }

    /// Takes `desired - current` more. The error is the total that would have been.
    fn grow(&mut self, current: usize, desired: usize) -> Result<(), u64> {
        let more = desired.saturating_sub(current) as u64;
        let total = self.used.saturating_add(more);
        if total > self.limit {
            return Err(total);
        }
        (self.used, self.growing) = (total, more);
        Ok(())
    }

    fn undo(&mut self) {
        self.used -= std::mem::take(&mut self.growing);
    }
}

/// wasmi asks it before every growth, also that of a new instance.
pub(super) struct Limiter {
    control: Rc<Control>,
    memory: Quota,
    tables: Quota,
    refused: Option<Refused>,
    out_of_memory: bool,
}

impl Limiter {
    pub(super) fn new(control: Rc<Control>, limits: &Limits) -> Self {
        Self {
            control,
            memory: Quota::new(limits.memory_bytes),
            tables: Quota::new(limits.table_elements.into()),
            refused: None,
            out_of_memory: false,
        }
    }

    /// Remembers something else that the program does not have.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.control.refuse(refusal);
    }

    /// The program traps here, and the trap says why.
    pub(super) fn trap_says_why(&self) {
        self.control.trap_says_why();
    }

    /// The last growth that a limit refused.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }

    /// Whether the program was ever refused memory. What it does then is up to it; should it trap, this
    /// is why.
    pub(super) fn out_of_memory(&self) -> bool {
        self.out_of_memory
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        match self.memory.grow(current, desired) {
            Ok(()) => {
                self.control.set_memory(self.memory.used);
                Ok(true)
            }
            Err(wanted) => {
                self.out_of_memory = true;
                self.control.refuse(Refusal { import: "memory.grow", missing: Missing::Memory });
                let limit = self.memory.limit;
                self.refused = Some(Refused { resource: Resource::Memory, wanted, limit });
                Ok(false)
            }
        }
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        self.memory.undo();
        self.control.set_memory(self.memory.used);
        self.out_of_memory |= matches!(error, MemoryError::OutOfSystemMemory);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool, LimiterError> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let limit = self.tables.limit;
        match self.tables.grow(current, desired) {
            Ok(()) => Ok(true),
            Err(wanted) => {
                self.control.refuse(Refusal { import: "table.grow", missing: Missing::TableElements });
                self.refused = Some(Refused { resource: Resource::TableElements, wanted, limit });
                Ok(false)
            }
        }
    }

    fn table_grow_failed(&mut self, _error: &TableError) -> Result<(), LimiterError> {
        self.tables.undo();
        Ok(())
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        MAX_TABLES
    }

    fn memories(&self) -> usize {
        MAX_MEMORIES
    }
}
