//! The size of the cache, and the order in which entries leave.

use super::{code, device, folder, open_with};

const ENTRY: usize = 20_000;
/// Three entries with their headers fit.
const MOST: u64 = 80_000;

fn there(opened: &super::Opened) -> Vec<u8> {
    (0..8).filter(|number| opened.cache.entries.borrow().contains_key(&opened.name(&[*number]))).collect()
}

#[test]
fn the_least_recently_used_leave_first() {
    let device = device(16 << 20);
    let opened = open_with(folder(&device, "/cache"), None, MOST, [1; 32]);
    for number in 0..3 {
        opened.store(&[number], &code(ENTRY, number));
    }
    assert!(opened.find(&[0]).is_some());
    opened.store(&[3], &code(ENTRY, 3));
    assert_eq!(there(&opened), [0, 2, 3]);
    opened.store(&[4], &code(ENTRY, 4));
    assert_eq!(there(&opened), [0, 3, 4]);
    assert_eq!(opened.counters.evicted_entries.get(), 2);
    assert!(opened.cache.bytes() <= MOST);
    drop(opened);
    // The order is that of the times on the volume.
    let opened = open_with(folder(&device, "/cache"), None, MOST, [1; 32]);
    opened.store(&[5], &code(ENTRY, 5));
    assert_eq!(there(&opened), [3, 4, 5]);
}

#[test]
fn a_smaller_limit_takes_effect_when_the_cache_is_opened() {
    let device = device(16 << 20);
    let opened = open_with(folder(&device, "/cache"), None, MOST, [1; 32]);
    for number in 0..3 {
        opened.store(&[number], &code(ENTRY, number));
    }
    drop(opened);
    let opened = open_with(folder(&device, "/cache"), None, MOST / 3, [1; 32]);
    assert_eq!(there(&opened), [2]);
    assert_eq!(opened.files().len(), 2);
}

#[test]
fn code_larger_than_the_cache_is_not_stored() {
    let opened = open_with(folder(&device(16 << 20), "/cache"), None, MOST, [1; 32]);
    opened.store(b"small", b"code");
    opened.store(b"large", &code(MOST as usize, 0));
    assert_eq!(opened.find(b"large"), None);
    assert!(opened.find(b"small").is_some());
}
