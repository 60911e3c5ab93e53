//! The bound on the requests of one client.

use std::cell::Cell;
use std::rc::Rc;

use capnp::{Error, Result};

/// The requests that a client may have unfinished or unreleased at once.
pub(super) struct Tickets {
    taken: Rc<Cell<u32>>,
    most: u32,
}

/// One of them.
pub(super) struct Ticket(Rc<Cell<u32>>);

impl Tickets {
    pub(super) fn new(most: u32) -> Self {
        Self { taken: Rc::default(), most }
    }

    pub(super) fn take(&self) -> Result<Ticket> {
        if self.taken.get() >= self.most {
            return Err(Error::overloaded(format!("{} requests of this client are unfinished", self.most)));
        }
        self.taken.set(self.taken.get() + 1);
        Ok(Ticket(self.taken.clone()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
