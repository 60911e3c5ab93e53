//! The work for one code: it is taken from the cache, or compiled by a worker.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use capnp::{Error, Result};
use capos_rt::{JoinHandle, SealedMemory, now_ns, spawn_local};

use super::Service;
use super::code::Code;
use super::module::Module;
use super::space::Space;
use super::worker;
use crate::counters::Counters;
use crate::name::Name;
use crate::settings::Settings;
use crate::signal::Signal;
use crate::slots::{ClientId, Slot};

/// Code, and whether it came from the cache.
type Found = (Rc<Code>, bool);

/// Work under way or done, owned by the requests and leases of it.
pub(super) struct Work {
    service: Rc<Service>,
    pub(super) name: Name,
    pub(super) is_urgent: Rc<Cell<bool>>,
    /// Functions, and those compiled.
    pub(super) progress: Rc<Cell<(u32, u32)>>,
    outcome: RefCell<Option<Result<Found>>>,
    done: Signal,
    task: RefCell<Option<JoinHandle<()>>>,
}

impl Work {
    pub(super) fn begin(
        service: &Rc<Service>,
        client: ClientId,
        name: Name,
        module: Module,
        settings: Settings,
        is_urgent: bool,
    ) -> Rc<Self> {
        let work = Rc::new(Self {
            service: service.clone(),
            name,
            is_urgent: Rc::new(Cell::new(is_urgent)),
            progress: Rc::default(),
            outcome: RefCell::default(),
            done: Signal::default(),
            task: RefCell::default(),
        });
        let effort = Effort {
            work: Rc::downgrade(&work),
            service: service.clone(),
            client,
            name,
            is_urgent: work.is_urgent.clone(),
            progress: work.progress.clone(),
        };
        *work.task.borrow_mut() = Some(spawn_local(effort.run(module, settings)));
        work
    }

    /// The code, and whether it came from the cache, when it is there.
    pub(super) async fn code(&self) -> Result<Found> {
        self.done.until(|| self.outcome.borrow().clone()).await
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(*self.outcome.borrow(), Some(Err(_)))
    }

    fn finish(&self, outcome: Result<Found>) {
        *self.outcome.borrow_mut() = Some(outcome);
        self.done.notify();
    }
}

impl Drop for Work {
    /// Nobody waits any more, so what is under way is cancelled.
    fn drop(&mut self) {
        self.service.forget(self);
        if self.outcome.borrow().is_none() {
            Counters::add(&self.service.counters.cancelled);
            self.service.note(|| format!("{}: cancelled", self.name.short()));
        }
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// The task that does the work. It does not keep the work alive.
struct Effort {
    work: Weak<Work>,
    service: Rc<Service>,
    client: ClientId,
    name: Name,
    is_urgent: Rc<Cell<bool>>,
    progress: Rc<Cell<(u32, u32)>>,
}

impl Effort {
    async fn run(self, module: Module, settings: Settings) {
        let (begun, length) = (now_ns(), module.length);
        let (counters, name) = (&self.service.counters, self.name.short());
        let took = || format!("{} ms", now_ns().saturating_sub(begun) / 1_000_000);
        if let Some(code) = self.find().await {
            Counters::add(&counters.from_cache);
            self.service.note(|| format!("{name}: {length} bytes, from the cache in {}", took()));
            return self.finish(Ok((code, true)));
        }
        match self.compile(module, settings).await {
            Ok((code, slot)) => {
                Counters::add(&counters.compiled);
                let bytes = code.length;
                self.service.note(|| format!("{name}: {length} bytes, compiled to {bytes} in {}", took()));
                store(&self.service, self.name, code.clone(), slot);
                self.finish(Ok((code, false)));
            }
            Err(error) => {
                Counters::add(&counters.failed);
                self.service
                    .note(|| format!("{name}: {length} bytes, failed in {}: {}", took(), error.extra));
                self.finish(Err(error));
            }
        }
    }

    /// Has workers compile, until one is not interrupted.
    async fn compile(&self, module: Module, settings: Settings) -> Result<(Rc<Code>, Slot)> {
        loop {
            let slot = self.service.slots.take(self.client, self.is_urgent.clone()).await;
            let job = worker::Job {
                module: module.clone(),
                settings,
                is_urgent: self.is_urgent.clone(),
                progress: self.progress.clone(),
            };
            if let Some(compiled) = worker::run(&self.service, job, slot).await? {
                return Ok(compiled);
            }
            self.service.note(|| format!("{}: interrupted by an urgent request", self.name.short()));
        }
    }

    fn finish(&self, outcome: Result<Found>) {
        if let Some(work) = self.work.upgrade() {
            work.finish(outcome);
        }
    }

    /// The code from the cache.
    async fn find(&self) -> Option<Rc<Code>> {
        let cache = self.service.cache.as_ref()?;
        let space = Space::new(&self.service);
        let length = cache.find(&self.name, &space).await?;
        let sealed = match space.into_object().await {
            Some(object) => Code::seal(object, length, self.service.counters.clone()).await,
            None => Err(Error::failed("the cache gave nothing".into())),
        };
        sealed.inspect_err(|error| eprintln!("compiler: code from the cache: {}", error.extra)).ok()
    }
}

/// Writes code to the cache. Its worker's slot stays taken meanwhile, so that writes do not pile up.
fn store(service: &Rc<Service>, name: Name, code: Rc<Code>, slot: Slot) {
    if service.cache.is_none() {
        return;
    }
    let service = service.clone();
    service.stores.set(service.stores.get() + 1);
    spawn_local(async move {
        if let Some(cache) = &service.cache
            && let Ok(bytes) = SealedMemory::map(code.object.clone(), code.length).await
        {
            cache.store(&name, &bytes).await;
        }
        drop(slot);
        service.stores.set(service.stores.get() - 1);
        service.stored.notify();
    });
}
