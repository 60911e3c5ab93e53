//! Modules that were compiled before, found again by their content.
//!
//! A module lives as long as an instance of it does or the cache keeps it. The cache keeps the modules that were
//! used last, up to a limit; what has gone beyond it is still shared while it lives.

use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
    rc::{Rc, Weak},
};
use xxhash_rust::xxh3::xxh3_64;

/// What keeping a module costs beside what depends on its length: an engine, its tables, records.
const FIXED_BYTES: usize = 16 << 10;
/// A module's own bytes, the engine's copy of its functions, and about as much for what they become when called.
const BYTES_PER_MODULE_BYTE: usize = 4;
/// Dead entries are looked for when there are this many more entries than were alive the last time.
const SWEEP_SLACK: usize = 64;

/// A compiled module and what it was compiled from.
pub(crate) struct Cached<T> {
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) compiled: T,
}

/// The hash of a module's bytes, or where they lie for as long as this program runs, and how it was compiled.
type Key<S> = (Identity, S);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Identity {
    Place { address: usize, length: usize },
    Content(u64),
}

/// Compiled modules, each by its content and the settings `S` it was compiled with.
pub(crate) struct Cache<S, T> {
    limit_bytes: usize,
    kept_bytes: usize,
    /// What is used last is last.
    kept: VecDeque<Rc<Cached<T>>>,
    /// Everything that may still live. Modules with the same hash share an entry.
    known: BTreeMap<Key<S>, Vec<Weak<Cached<T>>>>,
    sweep_at: usize,
}

impl<S: Ord, T> Cache<S, T> {
    /// An empty cache that keeps modules of about `limit_bytes`.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            kept_bytes: 0,
            kept: VecDeque::new(),
            known: BTreeMap::new(),
            sweep_at: SWEEP_SLACK,
        }
    }

    /// The module with these bytes and settings. If it is not here it is compiled; what fails to compile is not
    /// remembered.
    pub(crate) fn get(
        &mut self,
        bytes: Cow<'static, [u8]>,
        settings: S,
        compile: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<Rc<Cached<T>>, String> {
        let key = (identity(&bytes), settings);
        let found = self.known.get(&key).and_then(|modules| {
            // A hash can be had by several modules, on purpose too.
            modules.iter().filter_map(Weak::upgrade).find(|module| match key.0 {
                Identity::Place { .. } => true,
                Identity::Content(_) => module.bytes == bytes,
            })
        });
        let module = match found {
            Some(module) => module,
            None => {
                let compiled = compile(&bytes)?;
                let module = Rc::new(Cached { bytes, compiled });
                self.sweep();
                let same_key = self.known.entry(key).or_default();
                // What is gone leaves with the next of its kind, or one module that comes and goes would pile up.
                same_key.retain(|module| module.strong_count() > 0);
                same_key.push(Rc::downgrade(&module));
                module
            }
        };
        self.keep(&module);
        Ok(module)
    }

    /// Makes `module` the one that goes last.
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
        while self.kept_bytes > self.limit_bytes {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.kept_bytes -= cost(&oldest);
        }
    }

    /// Forgets modules that are gone, now and then.
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

/// What lies in one place for ever needs no reading to be known again.
#[expect(clippy::ptr_arg, reason = "whether the bytes are borrowed for ever is what matters")]
fn identity(bytes: &Cow<'static, [u8]>) -> Identity {
    match bytes {
        Cow::Borrowed(bytes) => Identity::Place { address: bytes.as_ptr().addr(), length: bytes.len() },
        Cow::Owned(bytes) => Identity::Content(xxh3_64(bytes)),
    }
}

fn cost<T>(module: &Cached<T>) -> usize {
    module.bytes.len().saturating_mul(BYTES_PER_MODULE_BYTE).saturating_add(FIXED_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{BYTES_PER_MODULE_BYTE, Cache, FIXED_BYTES};
    use std::{borrow::Cow, cell::Cell, rc::Rc};

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
        let mut cache = Cache::new(10 * COST);
        let mut get =
            |byte, depth| cache.get(owned(byte), depth, |bytes| compiler.compile(bytes)).expect("fine");
        let first = get(1, 1000);
        assert!(Rc::ptr_eq(&first, &get(1, 1000)));
        assert_eq!(compiler.0.get(), 1);
        assert!(!Rc::ptr_eq(&first, &get(1, 2000)));
        assert_eq!(get(2, 1000).compiled, 2);
        assert_eq!(compiler.0.get(), 3);
    }

    #[test]
    fn static_modules_are_known_by_their_place() {
        static MODULE: [u8; 100] = [7; 100];
        let compiler = Compiler(Cell::new(0));
        let mut cache = Cache::new(10 * COST);
        for _ in 0..3 {
            let cached =
                cache.get(Cow::Borrowed(&MODULE), (), |bytes| compiler.compile(bytes)).expect("fine");
            assert_eq!((cached.compiled, compiler.0.get()), (7, 1));
        }
        // The same address with another length is another module.
        let part =
            cache.get(Cow::Borrowed(&MODULE[..50]), (), |bytes| compiler.compile(bytes)).expect("fine");
        assert_eq!((part.bytes.len(), compiler.0.get()), (50, 2));
    }

    #[test]
    fn failures_are_tried_again() {
        let compiler = Compiler(Cell::new(0));
        let mut cache = Cache::new(10 * COST);
        for tries in 1..4 {
            assert!(cache.get(owned(0), (), |bytes| compiler.compile(bytes)).is_err());
            assert_eq!(compiler.0.get(), tries);
        }
    }

    #[test]
    fn the_limit_drops_what_was_used_longest_ago() {
        let compiler = Compiler(Cell::new(0));
        let mut cache = Cache::new(2 * COST);
        let mut get = |byte| cache.get(owned(byte), (), |bytes| compiler.compile(bytes)).expect("fine");
        let held = get(1);
        drop((get(2), get(1), get(3)));
        assert_eq!(compiler.0.get(), 3);
        drop(get(1));
        assert_eq!(compiler.0.get(), 3, "1 was used after 2");
        drop(get(2));
        assert_eq!(compiler.0.get(), 4, "2 had to go");
        // 1 is beyond the limit now, and found again because somebody holds it.
        drop(get(3));
        assert!(Rc::ptr_eq(&held, &get(1)));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let compiler = Compiler(Cell::new(0));
        let mut cache = Cache::new(0);
        for number in 1u32..10_000 {
            let bytes = Cow::Owned([&[1], &number.to_le_bytes()[..]].concat());
            drop(cache.get(bytes, (), |bytes| compiler.compile(bytes)));
            assert!(cache.known.len() <= 2 * super::SWEEP_SLACK && cache.kept.is_empty());
        }
    }

    #[test]
    fn what_comes_and_goes_leaves_nothing() {
        let compiler = Compiler(Cell::new(0));
        let mut cache = Cache::new(0);
        for _ in 0..100 {
            drop(cache.get(owned(1), (), |bytes| compiler.compile(bytes)));
        }
        assert_eq!((compiler.0.get(), cache.known.values().map(Vec::len).sum::<usize>()), (100, 1));
    }
}
