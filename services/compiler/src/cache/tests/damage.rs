//! Entries that are not as they were written.

use capos_schema::file_capnp::{file, namespace};
use futures::executor::block_on;

use super::{Opened, code, device, folder, open};

const LENGTH: usize = 100_000;
const HEADER: u64 = 4096;

fn opened_file(folder: &namespace::Client, name: &str) -> file::Client {
    let mut request = folder.open_request();
    request.get().set_path(name.as_bytes());
    let mut flags = request.get().init_flags();
    flags.set_read(true);
    flags.set_write(true);
    block_on(request.send().promise).unwrap().get().unwrap().get_file().unwrap()
}

fn flip(folder: &namespace::Client, name: &str, offset: u64) {
    let file = opened_file(folder, name);
    let mut request = file.read_request();
    request.get().set_offset(offset);
    request.get().set_length(1);
    let byte = block_on(request.send().promise).unwrap().get().unwrap().get_data().unwrap()[0];
    let mut request = file.write_request();
    request.get().set_offset(offset);
    request.get().set_data(&[byte ^ 0x10]);
    block_on(request.send().promise).unwrap();
}

fn set_size(folder: &namespace::Client, name: &str, size: u64) {
    let mut request = opened_file(folder, name).set_size_request();
    request.get().set_size(size);
    block_on(request.send().promise).unwrap();
}

fn rename(opened: &Opened, from: &[u8], to: &str) {
    block_on(opened.cache.folder.rename(&opened.name(from).to_string(), to)).unwrap();
}

fn stored(modules: &[&[u8]]) -> Opened {
    let opened = open(folder(&device(16 << 20), "/cache"));
    for (seed, module) in (0..).zip(modules) {
        opened.store(module, &code(LENGTH, seed));
    }
    opened
}

/// The entry is refused, removed and counted, and can be written again.
fn assert_rejected(opened: &Opened, module: &[u8], why: &str) {
    let (rejected, entries) = (opened.rejected(), opened.cache.entries());
    assert_eq!(opened.find(module), None, "{why}");
    assert_eq!(opened.rejected(), rejected + 1, "{why}");
    assert_eq!(opened.cache.entries(), entries - 1, "{why}");
    assert!(!opened.files().contains(&opened.name(module).to_string()), "{why}");
    opened.store(module, b"again");
    assert_eq!(opened.find(module), Some(b"again".to_vec()), "{why}");
}

#[test]
fn changed_bytes_are_noticed() {
    let last = HEADER + LENGTH as u64 - 1;
    for offset in [0, 7, 8, 10, 15, 16, 47, HEADER, HEADER + 57_343, HEADER + 57_344, last] {
        let opened = stored(&[b"module"]);
        flip(&opened.folder, &opened.name(b"module").to_string(), offset);
        assert_rejected(&opened, b"module", &format!("byte {offset}"));
    }
}

#[test]
fn cut_and_longer_entries_are_noticed() {
    let whole = HEADER + LENGTH as u64;
    for size in [0, 1, 47, 48, HEADER - 1, HEADER, HEADER + 57_344, whole - 1, whole + 1, whole + 4096] {
        let opened = stored(&[b"module"]);
        set_size(&opened.folder, &opened.name(b"module").to_string(), size);
        assert_rejected(&opened, b"module", &format!("{size} bytes"));
    }
}

#[test]
fn an_entry_is_for_its_own_name_only() {
    let opened = stored(&[b"one", b"two"]);
    let two = opened.name(b"two").to_string();
    rename(&opened, b"one", &two);
    assert_rejected(&opened, b"two", "the entry of another module");
    assert_eq!(opened.find(b"one"), None);
    assert_eq!((opened.cache.entries(), opened.rejected()), (1, 1));
}

#[test]
fn entries_that_are_gone_are_forgotten() {
    let opened = stored(&[b"module"]);
    block_on(opened.cache.folder.remove(&opened.name(b"module").to_string())).unwrap();
    assert_eq!(opened.find(b"module"), None);
    assert_eq!((opened.cache.entries(), opened.rejected()), (0, 0));
}

#[test]
fn a_directory_in_place_of_an_entry_is_no_entry() {
    let opened = stored(&[b"module"]);
    let name = opened.name(b"module").to_string();
    block_on(opened.cache.folder.remove(&name)).unwrap();
    let mut request = opened.folder.create_directory_request();
    request.get().set_path(name.as_bytes());
    block_on(request.send().promise).unwrap();
    assert_eq!(opened.find(b"module"), None);
    assert_eq!(opened.counters.cache_errors.get(), 1);
}

#[test]
fn files_that_are_no_entries_are_removed() {
    let device = device(16 << 20);
    let opened = open(folder(&device, "/cache"));
    opened.store(b"module", b"code");
    let name = opened.name(b"module").to_string();
    for other in ["letter.txt", "new-17", &name.to_uppercase(), &format!("{name}0")] {
        block_on(opened.cache.folder.create(other)).unwrap();
    }
    drop(opened);
    let opened = open(folder(&device, "/cache"));
    assert_eq!(opened.files(), [name, "key".to_owned()]);
    // What was not finished was never an entry.
    assert_eq!(opened.rejected(), 3);
    assert_eq!(opened.find(b"module"), Some(b"code".to_vec()));
}

#[test]
fn a_damaged_disk_is_noticed() {
    let device = device(16 << 20);
    let opened = open(folder(&device, "/cache"));
    opened.store(b"module", &code(LENGTH, 0));
    drop(opened);
    let mut block = vec![0; 4096];
    let blocks = (0..device.size_bytes()).step_by(block.len());
    let damaged = blocks.filter(|&offset| {
        device.read_at(offset, &mut block).unwrap();
        let is_part = code(LENGTH, 0).chunks(block.len()).nth(5) == Some(&block[..]);
        if is_part {
            block[17] ^= 1;
            device.write_at(offset, &block).unwrap();
        }
        is_part
    });
    assert_eq!(damaged.count(), 1);
    let opened = open(folder(&device, "/cache"));
    assert_eq!(opened.find(b"module"), None);
    assert_eq!((opened.rejected(), opened.cache.entries()), (1, 0));
    opened.store(b"module", b"again");
    assert_eq!(opened.find(b"module"), Some(b"again".to_vec()));
}
