//! The state shared by the objects of one volume: the volume, the turns of operations, and the counts of open objects.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use capos_volume::{CachedFiles, Error, Ino, Result, Volume};

use crate::registry::Registry;
use crate::turns::{Changes, Turns, Wait};
use crate::{Full, ObjectLimits, Options, Reopen};

pub(crate) struct Shared {
    /// Absent only after it failed and could not be reopened.
    volume: RefCell<Option<Volume>>,
    /// The current opening of the volume. Objects of an earlier one return only errors: their holders' changes
    /// may be lost, and a later sync must not make them seem durable.
    session: Cell<u64>,
    /// The cached content of its files.
    cached: RefCell<CachedFiles>,
    turns: Rc<Turns>,
    /// Inodes to release at the end of the operation in progress, each with its session.
    to_release: RefCell<Vec<(u64, Ino)>>,
    reopen: Option<Reopen>,
    pub(crate) options: Options,
    objects: Cell<u32>,
    /// Whether the volume was used since the last call to [`FileService::sync`](crate::FileService::sync), and the task
    /// that waits for that.
    used: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
    told_full: Cell<bool>,
    /// The directories that clients hold.
    pub(crate) directories: Registry,
}

impl Shared {
    pub(crate) fn new(volume: Volume, options: Options, reopen: Option<Reopen>) -> Self {
        Self {
            cached: RefCell::new(volume.cached_files()),
            volume: RefCell::new(Some(volume)),
            session: Cell::new(0),
            turns: Rc::default(),
            to_release: RefCell::default(),
            reopen,
            options,
            objects: Cell::new(0),
            used: Cell::new(false),
            waiting: RefCell::default(),
            told_full: Cell::new(false),
            directories: Registry::default(),
        }
    }

    /// Calls `work` with the volume as it is now. The caller has its turn.
    #[inline]
    pub(crate) fn current<T>(&self, work: impl FnOnce(&mut Volume) -> Result<T>) -> Result<T> {
        if !self.used.replace(true)
            && let Some(waiting) = self.waiting.take()
        {
            waiting.wake();
        }
        match &mut *self.volume.borrow_mut() {
            Some(volume) => {
                let result = work(volume);
                if let Err(Error::NoSpace) = result {
                    self.tell_full(volume);
                }
                result
            }
            None => Err(Error::Io),
        }
    }

    #[cold]
    fn tell_full(&self, volume: &Volume) {
        if let Some(tell) = self.options.when_full
            && !self.told_full.replace(true)
        {
            tell(if volume.is_full_of_names() { Full::Names } else { Full::Data });
        }
    }

    /// Ready when the volume was used since the last [`sync`](Self::sync).
    pub(crate) fn poll_used(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.used.get() {
            return Poll::Ready(());
        }
        *self.waiting.borrow_mut() = Some(context.waker().clone());
        Poll::Pending
    }

    /// Makes all changes so far durable.
    pub(crate) fn sync(&self) -> Result<()> {
        let synced = self.current(Volume::sync);
        self.used.set(synced.is_err());
        synced
    }

    /// Calls `work` with the volume, reopened if it had failed.
    pub(crate) fn revived<T>(&self, work: impl FnOnce(&mut Volume) -> Result<T>) -> Result<T> {
        if let Some(reopen) = &self.reopen
            && self.volume.borrow().as_ref().is_none_or(Volume::has_failed)
        {
            self.session.set(self.session.get() + 1);
            // The old session must release the device before the new one recovers it.
            drop(self.volume.take());
            let volume = reopen()?;
            self.cached.replace(volume.cached_files());
            *self.volume.borrow_mut() = Some(volume);
        }
        self.current(work)
    }

    /// Releases an inode: now, or at the end of the operation in progress.
    fn release(&self, session: u64, ino: Ino) {
        self.to_release.borrow_mut().push((session, ino));
        if self.turns.begin(Changes::Nothing) {
            self.end_turn();
        }
    }

    /// Releases the inodes that were dropped during the operation in progress, then ends its turn.
    fn end_turn(&self) {
        loop {
            let Some((session, ino)) = self.to_release.borrow_mut().pop() else { break };
            if session == self.session.get() {
                // If it cannot be released now, it is removed when the volume is next opened.
                let _ = self.current(|volume| volume.release(ino));
            }
        }
        self.cached.borrow().settle();
        self.turns.end();
    }
}

/// An operation's exclusive use of the volume, until dropped. Its holder waits for nothing but the device.
pub(crate) struct Turn(Rc<Shared>);

impl Turn {
    /// Waits for all earlier operations.
    #[inline]
    pub(crate) async fn take(shared: &Rc<Shared>, changes: Changes) -> Self {
        if !shared.turns.begin_alone(changes) {
            Wait::new(shared.turns.clone(), changes).await;
        }
        Self(shared.clone())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.end_turn();
    }
}

/// The number of objects opened through one namespace that the volume returned.
#[derive(Default)]
pub(crate) struct Account {
    objects: Cell<u32>,
}

/// A reservation for one object of an account.
pub(crate) struct Slot {
    pub(crate) shared: Rc<Shared>,
    pub(crate) account: Rc<Account>,
}

impl Slot {
    pub(crate) fn take(shared: &Rc<Shared>, account: &Rc<Account>) -> Result<Self> {
        let ObjectLimits { objects_per_grant, objects } = shared.options.limits;
        if account.objects.get() >= objects_per_grant || shared.objects.get() >= objects {
            return Err(Error::TooManyOpen);
        }
        account.objects.set(account.objects.get() + 1);
        shared.objects.set(shared.objects.get() + 1);
        Ok(Self { shared: shared.clone(), account: account.clone() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.account.objects.set(self.account.objects.get() - 1);
        self.shared.objects.set(self.shared.objects.get() - 1);
    }
}

/// An inode kept alive for an object.
pub(crate) struct OpenInode {
    slot: Slot,
    session: u64,
    pub(crate) ino: Ino,
}

impl OpenInode {
    /// Takes over `ino`, which the current session has retained.
    pub(crate) fn new(slot: Slot, ino: Ino) -> Self {
        let session = slot.shared.session.get();
        Self { slot, session, ino }
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.slot.shared
    }

    /// Waits for the turn of an operation on this object.
    pub(crate) async fn turn(&self, changes: Changes) -> Turn {
        Turn::take(&self.slot.shared, changes).await
    }

    /// The cached content, if it may be read out of turn: another operation waits for the device, and no unfinished operation
    /// changes this file.
    pub(crate) fn cached(&self) -> Option<CachedFiles> {
        let shared = &self.slot.shared;
        let may = shared.turns.is_taken()
            && self.session == shared.session.get()
            && shared.turns.leave_alone(self.ino);
        may.then(|| shared.cached.borrow().clone())
    }

    /// Reserves another object of the same account.
    pub(crate) fn another(&self) -> Result<Slot> {
        Slot::take(&self.slot.shared, &self.slot.account)
    }

    /// Calls `work` with the volume, if the inode belongs to its session.
    #[inline]
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Volume) -> Result<T>) -> Result<T> {
        if self.session != self.slot.shared.session.get() {
            return Err(Error::Io);
        }
        self.slot.shared.current(work)
    }
}

impl Drop for OpenInode {
    fn drop(&mut self) {
        self.slot.shared.release(self.session, self.ino);
    }
}
