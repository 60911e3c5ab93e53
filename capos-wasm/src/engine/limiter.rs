//! Memory and table limits.

use crate::{
    Limits,
    account::{Control, Missing, Refusal},
};
use std::{fmt, rc::Rc};

/// No program needs more memories or tables than this in one instance.
pub(super) const MAX_MEMORIES: usize = 16;
pub(super) const MAX_TABLES: usize = 64;

/// A resource whose limit may prevent a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Memory,
    TableElements,
}

/// A refused growth: the size it would have led to, and the limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) resource: Resource,
    pub(super) wanted: u64,
    pub(super) limit: u64,
}

impl fmt::Display for Refused {
    /// The reason that an instance does not start, and how to raise the limit.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resource, wanted, limit } = self;
        let (unit, field, option) = match resource {
            Resource::Memory => ("bytes of memory", "memory", "--memory"),
            Resource::TableElements => ("table elements", "tableElements", "--table-elements"),
        };
        // Memory pages have 64 KiB; no engine here supports other sizes.
        let enough = match resource {
            Resource::Memory => format!("{}KiB", wanted.div_ceil(1 << 10)),
            Resource::TableElements => wanted.to_string(),
        };
        write!(f, "it needs {wanted} {unit} and its limit is {limit}: ")?;
        write!(f, "raise `limits.{field}` to {enough} in the manifest or pass {option} {enough}")
    }
}

/// A resource with a limit on its total use in an instance.
struct Quota {
    used: u64,
    limit: u64,
    /// Added by the current growth; subtracted if that fails.
    growing: u64,
}

impl Quota {
    fn new(limit: u64) -> Self {
        Self { used: 0, limit, growing: 0 }
    }

    /// Adds `desired - current`. The error is the total that it would have led to.
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

/// Counts memory and table elements of one instance. An engine asks it before every growth, including the initial sizes.
pub(super) struct Limiter {
    control: Rc<Control>,
    memory: Quota,
    tables: Quota,
    refused: Option<Refused>,
}

impl Limiter {
    pub(super) fn new(control: Rc<Control>, limits: &Limits) -> Self {
        Self {
            control,
            memory: Quota::new(limits.memory_bytes),
            tables: Quota::new(limits.table_elements.into()),
            refused: None,
        }
    }

    /// Reports to `control` from now on.
    pub(super) fn charge_to(&mut self, control: Rc<Control>) {
        control.set_memory(self.memory.used);
        self.control = control;
    }

    /// Records another refusal.
    pub(super) fn refuse(&self, refusal: Refusal) {
        self.control.refuse(refusal);
    }

    /// Records that the program traps and that the trap itself gives the reason.
    pub(super) fn trap_says_why(&self) {
        self.control.trap_says_why();
    }

    /// The last growth that was refused because of a limit.
    pub(super) fn refused(&self) -> Option<Refused> {
        self.refused
    }
}

/// The answer to a request to grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    Allowed,
    Refused,
}

impl Limiter {
    /// Accounts for the growth of a memory, including its initial size.
    pub(super) fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Growth {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Growth::Refused;
        }
        match self.memory.grow(current, desired) {
            Ok(()) => {
                self.control.set_memory(self.memory.used);
                Growth::Allowed
            }
            Err(wanted) => {
                self.control.set_out_of_memory();
                self.control.refuse(Refusal { import: "memory.grow", missing: Missing::Memory });
                let limit = self.memory.limit;
                self.refused = Some(Refused { resource: Resource::Memory, wanted, limit });
                Growth::Refused
            }
        }
    }

    /// Undoes the accounting of the last growth, which failed.
    pub(super) fn memory_grow_failed(&mut self, has_no_memory: bool) {
        self.memory.undo();
        self.control.set_memory(self.memory.used);
        if has_no_memory {
            self.control.set_out_of_memory();
        }
    }

    /// Accounts for the growth of a table.
    pub(super) fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Growth {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Growth::Refused;
        }
        let limit = self.tables.limit;
        match self.tables.grow(current, desired) {
            Ok(()) => Growth::Allowed,
            Err(wanted) => {
                self.control.refuse(Refusal { import: "table.grow", missing: Missing::TableElements });
                self.refused = Some(Refused { resource: Resource::TableElements, wanted, limit });
                Growth::Refused
            }
        }
    }

    /// Undoes the accounting of the last growth, which failed.
    pub(super) fn table_grow_failed(&mut self) {
        self.tables.undo();
    }
}
