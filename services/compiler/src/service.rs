//! The service: clients, their requests, and the workers that compile.

mod client;
mod code;
mod compilation;
mod job;
mod launch;
mod memory;
mod module;
mod root;
mod space;
mod status;
mod ticket;
mod work;
mod worker;

pub use launch::Launcher;
pub use root::Root;
pub use status::Status;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use crate::cache::Cache;
use crate::counters::Counters;
use crate::name::{Name, Names};
use crate::options::Options;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::slots::{ClientId, Slots};

use module::Module;
use work::Work;

/// State shared by all clients.
pub struct Service {
    options: Options,
    names: Names,
    launcher: Launcher,
    cache: Option<Cache>,
    counters: Rc<Counters>,
    slots: Rc<Slots>,
    /// Work that somebody waits for or holds a lease of.
    works: RefCell<BTreeMap<Name, Weak<Work>>>,
    /// Writes to the cache under way.
    stores: Cell<u32>,
    stored: Signal,
    /// Number of clients so far.
    clients: Cell<ClientId>,
}

impl Service {
    /// A service without clients.
    pub fn new(
        options: Options,
        names: Names,
        launcher: Launcher,
        cache: Option<Cache>,
        counters: Rc<Counters>,
    ) -> Rc<Self> {
        let slots = Slots::new(options.workers);
        Rc::new(Self {
            options,
            names,
            launcher,
            cache,
            counters,
            slots,
            works: RefCell::default(),
            stores: Cell::new(0),
            stored: Signal::default(),
            clients: Cell::new(0),
        })
    }

    /// The work for the code `name`, which is begun for `client` unless it is under way or done.
    fn work(
        self: &Rc<Self>,
        client: ClientId,
        name: Name,
        module: Module,
        settings: Settings,
        is_urgent: bool,
    ) -> Rc<Work> {
        if let Some(work) = self.works.borrow().get(&name).and_then(Weak::upgrade)
            && !work.has_failed()
        {
            Counters::add(&self.counters.shared);
            if is_urgent && !work.is_urgent.replace(true) {
                self.slots.reorder();
            }
            return work;
        }
        let work = Work::begin(self, client, name, module, settings, is_urgent);
        self.works.borrow_mut().insert(name, Rc::downgrade(&work));
        work
    }

    /// A number for a new client.
    fn new_client(&self) -> ClientId {
        self.clients.set(self.clients.get() + 1);
        self.clients.get()
    }

    /// Removes work that is being dropped.
    fn forget(&self, work: &Work) {
        let mut works = self.works.borrow_mut();
        // Its place may have been taken after it had failed.
        if works.get(&work.name).is_some_and(|known| std::ptr::eq(known.as_ptr(), work)) {
            works.remove(&work.name);
        }
    }

    /// Logs a line if the service is verbose.
    fn note(&self, line: impl FnOnce() -> String) {
        if self.options.is_verbose {
            eprintln!("compiler: {}", line());
        }
    }
}
