//! The parameters and results of one call on the server's side: one record, shared by both and by the code that
//! answers the call. The thread reuses the record, with its buffer, for a later call.
#![expect(
    unsafe_code,
    reason = "shares a record that was a box, and passes out references as zero-sized boxes"
)]
// Unsafe here: generated servers require two boxes for each call, each of which would contain only a
// reference to the record.

use crate::local;
use crate::message::{CapTable, Message, Received};
use capnp::capability::Promise;
use capnp::private::capability::{ParamsHook, PipelineHook, RequestHook, ResultsHook};
use capnp::traits::ImbueMut;
use capnp::{Error, Result, any_pointer};
use std::cell::{Cell, UnsafeCell};
use std::mem::{self, ManuallyDrop};
use std::ptr::{self, NonNull};

/// Maximum number of records that a thread keeps for later calls.
const KEPT: usize = 8;

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Incoming {
    /// Accessed by the [`Params`] while they exist.
    params: UnsafeCell<Option<Received>>,
    /// Accessed by the [`Results`] while they exist, and then by the code that answers.
    results: UnsafeCell<Built>,
    has_results: Cell<bool>,
    references: Cell<u32>,
}

/// The results and their capabilities.
#[derive(Default)]
struct Built {
    message: Message,
    capabilities: CapTable,
}

impl Incoming {
    /// A call with these parameters and empty results; returns what the method receives, and the source of its answer.
    #[inline]
    pub(super) fn begin(params: Received) -> (Box<dyn ParamsHook>, Box<dyn ResultsHook>, IncomingRef) {
        let kept = local::current().incoming.borrow_mut().pop();
        let mut incoming: Box<Self> = kept.unwrap_or_default();
        *incoming.params.get_mut() = Some(params);
        let message = &mut incoming.results.get_mut().message;
        if message.is_none() {
            *message = Message::new();
        }
        message.begin();
        incoming.has_results.set(false);
        // One for each of those returned.
        incoming.references.set(3);
        let record = NonNull::from(Box::leak(incoming));
        let address = record.as_ptr().expose_provenance();
        // SAFETY: zero-sized boxes may have any address that is aligned and not null, since their memory is never
        // accessed or freed.
        let (params, results): (Box<Params>, Box<Results>) = unsafe {
            (
                Box::from_raw(ptr::with_exposed_provenance_mut(address)),
                Box::from_raw(ptr::with_exposed_provenance_mut(address)),
            )
        };
        (params, results, IncomingRef(record))
    }
}

/// A reference to the record.
pub(super) struct IncomingRef(NonNull<Incoming>);

impl IncomingRef {
    /// Converts a zero-sized box to the reference that it represents.
    ///
    /// # Safety
    /// `guise` must be in a box created by [`Incoming::begin`], and the reference may be taken from it only
    /// once.
    #[inline]
    unsafe fn of_box<T>(guise: &T) -> Self {
        let record = ptr::with_exposed_provenance_mut(ptr::from_ref(guise).addr());
        // SAFETY: the address is that of a record, which was a box and so is not null.
        Self(unsafe { NonNull::new_unchecked(record) })
    }

    #[inline]
    fn record(&self) -> &Incoming {
        // SAFETY: the record lives as long as it has references.
        unsafe { self.0.as_ref() }
    }

    /// The results, after the method has dropped its reference to them.
    #[inline]
    fn built(&mut self) -> Option<&mut Built> {
        // SAFETY: there are no `Results` any more, and this is called only with the one reference that `begin`
        // returned, which is borrowed for as long as the result.
        self.record().has_results.get().then(|| unsafe { &mut *self.record().results.get() })
    }

    /// Calls `work` with the message that the method has built and its capabilities. `None` if the method still holds
    /// its results.
    #[inline]
    pub(super) fn with_results<T>(
        &mut self,
        work: impl FnOnce(&mut Message, &mut CapTable) -> T,
    ) -> Option<T> {
        let Built { message, capabilities } = self.built()?;
        Some(work(message, capabilities))
    }

    /// As [`Self::with_results`], but takes them.
    pub(super) fn take_results(mut self) -> Option<(Message, CapTable)> {
        self.with_results(|message, capabilities| (mem::take(message), mem::take(capabilities)))
    }
}

impl Drop for IncomingRef {
    #[inline]
    fn drop(&mut self) {
        let references = &self.record().references;
        let left = references.get() - 1;
        references.set(left);
        if left == 0 {
            // SAFETY: `begin` took it out of a box, and this was the last reference.
            retire(unsafe { Box::from_raw(self.0.as_ptr()) });
        }
    }
}

/// Keeps the record of an answered call for reuse.
fn retire(mut incoming: Box<Incoming>) {
    let capabilities = &mut incoming.results.get_mut().capabilities;
    if !capabilities.is_empty() {
        drop(mem::take(capabilities));
    }
    if let Some(local) = local::try_current() {
        let mut kept = local.incoming.borrow_mut();
        if kept.len() < KEPT {
            return kept.push(incoming);
        }
    }
    drop(incoming);
}

/// The parameters: an [`IncomingRef`] in the form of a box. The cell says that what a shared reference leads to may
/// change: without it, the compiler takes for granted that it does not.
struct Params(UnsafeCell<()>);

impl ParamsHook for Params {
    fn get(&self) -> Result<any_pointer::Reader<'_>> {
        // SAFETY: only `begin` creates one, and a box of a trait object cannot be moved out of.
        let record = ManuallyDrop::new(unsafe { IncomingRef::of_box(self) });
        // SAFETY: the box's reference keeps the record alive, and only the `Params` access the parameters while
        // they exist.
        match unsafe { &*(*record.0.as_ptr()).params.get() } {
            Some(params) => params.root(),
            None => Err(Error::failed("the parameters are gone".into())),
        }
    }
}

impl Drop for Params {
    fn drop(&mut self) {
        // SAFETY: as in `get`; the box does not exist after this.
        let record = unsafe { IncomingRef::of_box(self) };
        // SAFETY: as in `get`, and these were the only `Params`.
        drop(unsafe { (*record.record().params.get()).take() });
    }
}

/// The results: an [`IncomingRef`] in the form of a box.
struct Results(());

impl Drop for Results {
    fn drop(&mut self) {
        // SAFETY: only `begin` creates one, and a box of a trait object cannot be moved out of; it does not exist
        // after this.
        let record = unsafe { IncomingRef::of_box(self) };
        record.record().has_results.set(true);
    }
}

impl ResultsHook for Results {
    fn get(&mut self) -> Result<any_pointer::Builder<'_>> {
        // SAFETY: as in `drop`, but the box continues to exist.
        let record = ManuallyDrop::new(unsafe { IncomingRef::of_box(self) });
        // SAFETY: the box's reference keeps the record alive, and only the `Results` access the results while they
        // exist; they are borrowed mutably for as long as the root.
        let Built { message, capabilities } = unsafe { &mut *(*record.0.as_ptr()).results.get() };
        let mut root = message.root();
        root.imbue_mut(capabilities);
        Ok(root)
    }

    fn set_pipeline(&mut self) -> Result<()> {
        // Calls on promised capabilities wait for the results in any case.
        Ok(())
    }

    fn allow_cancellation(&self) {}

    fn tail_call(mut self: Box<Self>, request: Box<dyn RequestHook>) -> Promise<(), Error> {
        let promise = request.send().promise;
        Promise::from_future(async move { self.get()?.set_as(promise.await?.get()?) })
    }

    fn direct_tail_call(
        mut self: Box<Self>,
        request: Box<dyn RequestHook>,
    ) -> (Promise<(), Error>, Box<dyn PipelineHook>) {
        let remote = request.send();
        let promise = remote.promise;
        let copied = async move { self.get()?.set_as(promise.await?.get()?) };
        (Promise::from_future(copied), remote.pipeline.hook)
    }
}
