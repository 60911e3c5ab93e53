//! Volumes that are full, and volumes that fail.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use capos_volume::BlockDevice;
use futures::executor::block_on;

use super::device::Failing;
use super::{MOST_BYTES, code, device, folder, open, open_with, try_folder, try_open};
use crate::cache::{Cache, Directories};
use crate::options::Options;

#[test]
fn a_full_volume_loses_its_oldest_entries() {
    let opened = open_with(folder(&device(4 << 20), "/cache"), None, 1 << 30, [1; 32]);
    for number in 0..40 {
        opened.store(&[number], &code(200_000, number));
        assert!(opened.find(&[number]) == Some(code(200_000, number)), "{number}");
    }
    assert!(opened.counters.evicted_entries.get() > 10);
    assert_eq!(opened.counters.cache_errors.get(), 0);
}

#[test]
fn code_larger_than_the_volume_is_not_stored() {
    let opened = open_with(folder(&device(4 << 20), "/cache"), None, 1 << 30, [1; 32]);
    opened.store(b"large", &code(8 << 20, 0));
    assert_eq!(opened.find(b"large"), None);
    assert_eq!(opened.counters.cache_errors.get(), 1);
    assert_eq!(opened.files(), ["key"]);
    opened.store(b"small", b"code");
    assert_eq!(opened.find(b"small"), Some(b"code".to_vec()));
}

/// After any last operation that reaches the device, the entry is found whole or not at all, and later ones can be
/// stored.
#[test]
fn an_interruption_leaves_a_cache_that_works() {
    let mut found = [0; 2];
    for left in 0.. {
        let device = device(8 << 20);
        {
            let opened = open(folder(&device, "/cache"));
            opened.store(b"before", &code(5000, 1));
        }
        let failing = Arc::new(Failing { device: device.clone(), left: AtomicU64::new(left) });
        let failing: Arc<dyn BlockDevice> = failing;
        let opened =
            try_folder(&failing, "/cache").and_then(|folder| try_open(folder, None, MOST_BYTES, [1; 32]));
        let has_stored = opened.is_some_and(|opened| {
            opened.store(b"module", &code(150_000, 2));
            opened.counters.cache_errors.get() == 0
        });
        let opened = open_with(folder(&device, "/cache"), None, MOST_BYTES, [9; 32]);
        let module = opened.find(b"module");
        assert!(module.is_none() || module == Some(code(150_000, 2)), "{left}");
        assert_eq!(opened.rejected(), 0, "{left}");
        found[usize::from(module.is_some())] += 1;
        assert!(opened.find(b"before") == Some(code(5000, 1)), "{left}");
        opened.store(b"after", b"code");
        assert_eq!(opened.find(b"after"), Some(b"code".to_vec()), "{left}");
        if has_stored && opened.find(b"module").is_some() {
            break;
        }
    }
    assert!(found[0] > 3 && found[1] > 0, "{found:?}");
}

#[test]
fn without_a_key_there_is_no_cache() {
    let device = device(8 << 20);
    drop(folder(&device, "/cache"));
    for left in 0..4 {
        let failing: Arc<dyn BlockDevice> =
            Arc::new(Failing { device: device.clone(), left: AtomicU64::new(left) });
        let Some(folder) = try_folder(&failing, "/") else { continue };
        let directories = Directories { cache: folder, key: None };
        let options = Options::default();
        let opened = Cache::open(directories, &options, [1; 32], Default::default());
        assert!(block_on(opened).is_none(), "{left}");
    }
}
