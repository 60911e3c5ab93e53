//! Keys that are new, elsewhere, missing or damaged.

use futures::executor::block_on;

use super::{MOST_BYTES, Opened, device, folder, open, open_with};

#[test]
fn entries_of_another_key_are_not_used() {
    let (one, other) = (device(16 << 20), device(16 << 20));
    let opened = open(folder(&one, "/cache"));
    opened.store(b"module", b"code");
    let entry = contents(&opened, &opened.name(b"module").to_string());
    // It is brought under the name that it would have there.
    let opened = open_with(folder(&other, "/cache"), None, MOST_BYTES, [2; 32]);
    let name = opened.name(b"module");
    block_on(block_on(opened.cache.folder.create(&name.to_string())).unwrap().write(0, &entry)).unwrap();
    drop(opened);
    let opened = open_with(folder(&other, "/cache"), None, MOST_BYTES, [3; 32]);
    assert_eq!((opened.cache.entries(), opened.rejected()), (1, 0));
    assert_eq!(opened.find(b"module"), None);
    assert_eq!((opened.cache.entries(), opened.rejected()), (0, 1));
}

/// The bytes of a small file.
fn contents(opened: &Opened, name: &str) -> Vec<u8> {
    let file = block_on(opened.cache.folder.open(name)).unwrap();
    let mut bytes = Vec::new();
    let read = file.read(0, 5000, |read| {
        bytes = read.to_vec();
        true
    });
    assert!(block_on(read).unwrap());
    bytes
}

#[test]
fn a_missing_key_begins_a_new_cache() {
    let device = device(16 << 20);
    let opened = open(folder(&device, "/cache"));
    opened.store(b"one", b"code");
    opened.store(b"two", b"code");
    block_on(opened.cache.folder.remove("key")).unwrap();
    drop(opened);
    let opened = open_with(folder(&device, "/cache"), None, MOST_BYTES, [2; 32]);
    assert_eq!((opened.cache.entries(), opened.rejected()), (0, 2));
    assert_eq!(opened.files(), ["key"]);
    opened.store(b"one", b"new");
    drop(opened);
    let opened = open_with(folder(&device, "/cache"), None, MOST_BYTES, [3; 32]);
    assert_eq!(opened.find(b"one"), Some(b"new".to_vec()));
}

#[test]
fn a_damaged_key_begins_a_new_cache() {
    for size in [0, 8, 39, 40, 71, 73] {
        let device = device(16 << 20);
        let opened = open(folder(&device, "/cache"));
        opened.store(b"module", b"code");
        let mut bytes = contents(&opened, "key");
        bytes.resize(size, 0);
        block_on(block_on(opened.cache.folder.create("key")).unwrap().write(0, &bytes)).unwrap();
        drop(opened);
        let opened = open_with(folder(&device, "/cache"), None, MOST_BYTES, [2; 32]);
        assert_eq!((opened.cache.entries(), opened.rejected()), (0, 1), "{size}");
    }
}

#[test]
fn a_key_elsewhere_is_not_beside_the_entries() {
    let (device, vault) = (device(16 << 20), device(16 << 20));
    let opened = open_with(folder(&device, "/cache"), Some(folder(&vault, "/key")), MOST_BYTES, [1; 32]);
    opened.store(b"module", b"code");
    assert_eq!(opened.files().len(), 1);
    drop(opened);
    let opened = open_with(folder(&device, "/cache"), Some(folder(&vault, "/key")), MOST_BYTES, [2; 32]);
    assert_eq!(opened.find(b"module"), Some(b"code".to_vec()));
    drop(opened);
    // The vault is gone, so nothing on the volume can be believed.
    let opened = open(folder(&device, "/cache"));
    assert_eq!((opened.cache.entries(), opened.rejected()), (0, 1));
}
