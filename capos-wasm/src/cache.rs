//! A cache of compiled modules, identified by their content.
//!
//! A module exists as long as an instance of it does or the cache keeps it. The cache keeps the most recently
//! used modules up to a limit; a module evicted from it is still shared while it exists.

use crate::pace::{Pace, STOPPED};
use futures::{FutureExt, channel::oneshot};
use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    future::poll_fn,
    rc::{Rc, Weak},
    task::{Context, Poll},
};
use xxhash_rust::xxh3::Xxh3;

/// The constant part of a module's cost: an engine, its tables, records.
const FIXED_BYTES: usize = 16 << 10;
/// A module's own bytes, the engine's copy of its functions, and about the same for their compiled form.
const BYTES_PER_MODULE_BYTE: usize = 4;
/// Dead entries are removed when there are this many more entries than were alive the last time.
const SWEEP_SLACK: usize = 64;

/// A compiled module and its source.
pub(crate) struct Cached<T> {
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) compiled: T,
}

impl<T> Cached<T> {
    /// Whether it is the module with these bytes.
    pub(crate) async fn is(&self, bytes: &[u8], pace: &mut Pace) -> bool {
        std::ptr::eq(&*self.bytes, bytes) || are_equal(&self.bytes, bytes, pace).await
    }
}

/// The hash of a module's bytes, or their address if they are static, and the settings it was compiled with.
pub(crate) type Key<S> = (Identity, S);

/// The identity of a module's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Identity {
    Place { address: usize, length: usize },
    Content(u64),
}

/// Compiled modules, identified by content and the settings `S`.
pub(crate) struct Cache<S, T> {
    inner: RefCell<Inner<S, T>>,
    /// Modules being compiled, with the tasks that wait for each.
    compiling: RefCell<BTreeMap<Key<S>, Vec<oneshot::Sender<()>>>>,
}

struct Inner<S, T> {
    limit: usize,
    limit_bytes: usize,
    kept_bytes: usize,
    /// The modules in order of use, the most recently used last.
    kept: VecDeque<Rc<Cached<T>>>,
    /// All modules that may still exist. Modules with the same hash share an entry.
    known: BTreeMap<Key<S>, Vec<Weak<Cached<T>>>>,
    sweep_at: usize,
}

/// The exclusive right to compile a module, until it is dropped.
struct Compiling<'a, S: Ord, T> {
    cache: &'a Cache<S, T>,
    key: Key<S>,
}

impl<S: Ord, T> Drop for Compiling<'_, S, T> {
    fn drop(&mut self) {
        // Dropping the senders wakes the waiting tasks.
        drop(self.cache.compiling.borrow_mut().remove(&self.key));
    }
}

impl<S: Ord + Copy, T> Cache<S, T> {
    /// An empty cache that keeps up to `limit` modules of up to about `limit_bytes`.
    pub(crate) fn new(limit_bytes: usize, limit: usize) -> Self {
        let inner = Inner {
            limit,
            limit_bytes,
            kept_bytes: 0,
            kept: VecDeque::new(),
            known: BTreeMap::new(),
            sweep_at: SWEEP_SLACK,
        };
        Self { inner: RefCell::new(inner), compiling: RefCell::default() }
    }

    /// The module with these bytes and settings, compiled if it is not in the cache. Failures are not
    /// cached.
    pub(crate) async fn get(
        &self,
        bytes: Cow<'static, [u8]>,
        settings: S,
        pace: &mut Pace,
        compile: impl AsyncFnOnce(&[u8], &mut Pace) -> Result<T, String>,
    ) -> Result<Rc<Cached<T>>, String> {
        let key = (identity(&bytes, pace).await, settings);
        let compiling = loop {
            if let Some(module) = self.find(&key, &bytes, pace).await {
                self.inner.borrow_mut().keep(&module);
                return Ok(module);
            }
            match self.begin(key) {
                Ok(compiling) => break compiling,
                Err(mut other) => {
                    // The senders are always dropped, so the result is always Canceled. A kill wakes this task too.
                    let compiled = |cx: &mut Context<'_>| match other.poll_unpin(cx) {
                        Poll::Pending if !pace.is_stopped() => Poll::Pending,
                        _ => Poll::Ready(()),
                    };
                    poll_fn(compiled).await;
                    if pace.is_stopped() {
                        return Err(STOPPED.to_owned());
                    }
                }
            }
        };
        let compiled = compile(&bytes, pace).await?;
        let module = Rc::new(Cached { bytes, compiled });
        self.inner.borrow_mut().insert(key, &module);
        drop(compiling);
        Ok(module)
    }

    /// The module as from [`Cache::get`], if it is in the cache and can be found without reading its bytes.
    #[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
    pub(crate) fn get_placed(&self, bytes: &Cow<'static, [u8]>, settings: S) -> Option<Rc<Cached<T>>> {
        let key = (place(bytes)?, settings);
        let mut inner = self.inner.borrow_mut();
        let module = inner.known.get(&key)?.iter().find_map(Weak::upgrade)?;
        inner.keep(&module);
        Some(module)
    }

    /// The key of a module.
    #[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
    pub(crate) async fn key(&self, bytes: &Cow<'static, [u8]>, settings: S, pace: &mut Pace) -> Key<S> {
        (identity(bytes, pace).await, settings)
    }

    /// The module with this key and these bytes, if it is in the cache.
    pub(crate) async fn get_known(
        &self,
        key: &Key<S>,
        bytes: &[u8],
        pace: &mut Pace,
    ) -> Option<Rc<Cached<T>>> {
        let module = self.find(key, bytes, pace).await?;
        self.inner.borrow_mut().keep(&module);
        Some(module)
    }

    async fn find(&self, key: &Key<S>, bytes: &[u8], pace: &mut Pace) -> Option<Rc<Cached<T>>> {
        let candidates: Vec<_> = {
            let inner = self.inner.borrow();
            inner.known.get(key).into_iter().flatten().filter_map(Weak::upgrade).collect()
        };
        for module in candidates {
            // Several modules may have the same hash, possibly on purpose.
            let same = match key.0 {
                Identity::Place { .. } => true,
                Identity::Content(_) => module.is(bytes, pace).await,
            };
            if same {
                return Some(module);
            }
        }
        None
    }

    /// Starts to compile a module, or waits for another task that is compiling it.
    fn begin(&self, key: Key<S>) -> Result<Compiling<'_, S, T>, oneshot::Receiver<()>> {
        let mut compiling = self.compiling.borrow_mut();
        if let Some(waiters) = compiling.get_mut(&key) {
            let (sender, receiver) = oneshot::channel();
            waiters.push(sender);
            return Err(receiver);
        }
        compiling.insert(key, Vec::new());
        Ok(Compiling { cache: self, key })
    }
}

impl<S: Ord, T> Inner<S, T> {
    fn insert(&mut self, key: Key<S>, module: &Rc<Cached<T>>) {
        self.sweep();
        let same_key = self.known.entry(key).or_default();
        // Dead entries with the same hash are removed here, since otherwise repeatedly loading one module
        // would accumulate them.
        same_key.retain(|module| module.strong_count() > 0);
        same_key.push(Rc::downgrade(module));
        self.keep(module);
    }

    /// Marks `module` as the most recently used.
    fn keep(&mut self, module: &Rc<Cached<T>>) {
        let same = |other: &Rc<Cached<T>>| Rc::ptr_eq(other, module);
        if self.kept.back().is_some_and(same) {
            return;
        }
        match self.kept.iter().position(same) {
            Some(index) => drop(self.kept.remove(index)),
            None => self.kept_bytes += cost(module),
        }
        self.kept.push_back(module.clone());
        while self.kept_bytes > self.limit_bytes || self.kept.len() > self.limit {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= cost(&oldest);
        }
    }

    /// Removes entries of dropped modules from time to time.
    fn sweep(&mut self) {
        if self.known.len() < self.sweep_at {
            return;
        }
        self.known.retain(|_, modules| {
            modules.retain(|module| module.strong_count() > 0);
            !modules.is_empty()
        });
        self.sweep_at = 2 * self.known.len() + SWEEP_SLACK;
    }
}

/// Bytes that are hashed or compared at once.
const STEP_BYTES: usize = 64 << 10;
/// The weight of such a step, relative to bytes that are parsed.
const STEP_WORK: usize = 1 << 10;

/// Identity of static bytes, which can be recognised by their address without reading them.
#[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
fn place(bytes: &Cow<'static, [u8]>) -> Option<Identity> {
    match bytes {
        Cow::Borrowed(bytes) => Some(Identity::Place { address: bytes.as_ptr().addr(), length: bytes.len() }),
        Cow::Owned(_) => None,
    }
}

#[expect(clippy::ptr_arg, reason = "as above")]
async fn identity(bytes: &Cow<'static, [u8]>, pace: &mut Pace) -> Identity {
    if let Some(place) = place(bytes) {
        return place;
    }
    let mut hash = Xxh3::new();
    for step in bytes.chunks(STEP_BYTES) {
        hash.update(step);
        pace.spend(STEP_WORK).await;
    }
    Identity::Content(hash.digest())
}

async fn are_equal(one: &[u8], other: &[u8], pace: &mut Pace) -> bool {
    if one.len() != other.len() {
        return false;
    }
    for (one, other) in one.chunks(STEP_BYTES).zip(other.chunks(STEP_BYTES)) {
        if one != other {
            return false;
        }
        pace.spend(STEP_WORK).await;
    }
    true
}

fn cost<T>(module: &Cached<T>) -> usize {
    module.bytes.len().saturating_mul(BYTES_PER_MODULE_BYTE).saturating_add(FIXED_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{BYTES_PER_MODULE_BYTE, Cache, Cached, FIXED_BYTES};
    use crate::{pace::Pace, turns::yield_once};
    use futures::{
        FutureExt,
        executor::block_on,
        future::{join, join3},
    };
    use std::{borrow::Cow, cell::Cell, rc::Rc};

    type Compiled = Result<Rc<Cached<u8>>, String>;

    impl<S: Ord + Copy> Cache<S, u8> {
        fn get_now(&self, bytes: Cow<'static, [u8]>, settings: S, compiler: &Compiler) -> Compiled {
            let mut pace = Pace::new(None);
            let compile = async |bytes: &[u8], _: &mut Pace| compiler.compile(bytes);
            self.get(bytes, settings, &mut pace, compile).now_or_never().expect("nothing waits")
        }
    }

    fn owned(byte: u8) -> Cow<'static, [u8]> {
        Cow::Owned(vec![byte; 100])
    }

    const COST: usize = FIXED_BYTES + 100 * BYTES_PER_MODULE_BYTE;

    /// Counts compilations; the compiled form is the first byte.
    struct Compiler(Cell<usize>);

    impl Compiler {
        fn compile(&self, bytes: &[u8]) -> Result<u8, String> {
            self.0.set(self.0.get() + 1);
            bytes.first().copied().filter(|&byte| byte != 0).ok_or_else(|| "empty or zero".to_owned())
        }
    }

    #[test]
    fn equal_modules_are_compiled_once_for_each_setting() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(10 * COST, usize::MAX);
        let get = |byte, depth| cache.get_now(owned(byte), depth, &compiler).expect("fine");
        let first = get(1, 1000);
        assert!(Rc::ptr_eq(&first, &get(1, 1000)));
        assert_eq!(compiler.0.get(), 1);
        assert!(!Rc::ptr_eq(&first, &get(1, 2000)));
        assert_eq!(get(2, 1000).compiled, 2);
        assert_eq!(compiler.0.get(), 3);
    }

    #[test]
    fn no_more_modules_are_kept_than_the_limit_says() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(10 * COST, 2);
        for byte in [1, 2, 3, 2, 3] {
            cache.get_now(owned(byte), (), &compiler).expect("fine");
        }
        assert_eq!(compiler.0.get(), 3);
        cache.get_now(owned(1), (), &compiler).expect("fine");
        assert_eq!(compiler.0.get(), 4);
    }

    #[test]
    fn static_modules_are_known_by_their_place() {
        static MODULE: [u8; 100] = [7; 100];
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(10 * COST, usize::MAX);
        for _ in 0..3 {
            let cached = cache.get_now(Cow::Borrowed(&MODULE), (), &compiler).expect("fine");
            assert_eq!((cached.compiled, compiler.0.get()), (7, 1));
        }
        // The same address with another length is another module.
        let part = cache.get_now(Cow::Borrowed(&MODULE[..50]), (), &compiler).expect("fine");
        assert_eq!((part.bytes.len(), compiler.0.get()), (50, 2));
    }

    #[test]
    fn failures_are_tried_again() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(10 * COST, usize::MAX);
        for tries in 1..4 {
            assert!(cache.get_now(owned(0), (), &compiler).is_err());
            assert_eq!(compiler.0.get(), tries);
        }
    }

    #[test]
    fn the_limit_drops_what_was_used_longest_ago() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(2 * COST, usize::MAX);
        let get = |byte| cache.get_now(owned(byte), (), &compiler).expect("fine");
        let held = get(1);
        drop((get(2), get(1), get(3)));
        assert_eq!(compiler.0.get(), 3);
        drop(get(1));
        assert_eq!(compiler.0.get(), 3, "1 was used after 2");
        drop(get(2));
        assert_eq!(compiler.0.get(), 4, "2 had to go");
        // Module 1 exceeds the limit now, but is found again because the test still holds it.
        drop(get(3));
        assert!(Rc::ptr_eq(&held, &get(1)));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(0, usize::MAX);
        for number in 1u32..10_000 {
            let bytes = Cow::Owned([&[1], &number.to_le_bytes()[..]].concat());
            drop(cache.get_now(bytes, (), &compiler));
            let inner = cache.inner.borrow();
            assert!(inner.known.len() <= 2 * super::SWEEP_SLACK && inner.kept.is_empty());
        }
    }

    #[test]
    fn what_comes_and_goes_leaves_nothing() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(0, usize::MAX);
        for _ in 0..100 {
            drop(cache.get_now(owned(1), (), &compiler));
        }
        assert_eq!(
            (compiler.0.get(), cache.inner.borrow().known.values().map(Vec::len).sum::<usize>()),
            (100, 1)
        );
    }

    #[test]
    fn who_wants_what_is_being_compiled_waits_for_it() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(10 * COST, usize::MAX);
        let get = async |byte| {
            let mut pace = Pace::new(None);
            let compile = async |bytes: &[u8], _: &mut Pace| {
                yield_once().await;
                compiler.compile(bytes)
            };
            cache.get(owned(byte), (), &mut pace, compile).await
        };
        let (one, other, third) = block_on(join3(get(1), get(1), get(2)));
        assert!(Rc::ptr_eq(&one.expect("fine"), &other.expect("fine")));
        assert_eq!((third.expect("fine").compiled, compiler.0.get()), (2, 2));
        // A failure must not leave any waiter waiting.
        let (one, other) = block_on(join(get(0), get(0)));
        assert!(one.is_err() && other.is_err() && cache.compiling.borrow().is_empty());
    }

    #[test]
    fn long_modules_are_found_by_all_of_their_bytes() {
        let compiler = Compiler(Cell::new(0));
        let cache = Cache::new(1 << 30, usize::MAX);
        let module = |last: u8| {
            let mut bytes = vec![1; 300_000];
            bytes[299_999] = last;
            Cow::Owned(bytes)
        };
        let get = async |last| {
            let mut pace = Pace::new(None);
            let compile = async |bytes: &[u8], _: &mut Pace| compiler.compile(bytes);
            cache.get(module(last), (), &mut pace, compile).await.expect("fine")
        };
        let first = block_on(get(1));
        assert!(Rc::ptr_eq(&first, &block_on(get(1))) && !Rc::ptr_eq(&first, &block_on(get(2))));
    }
}
