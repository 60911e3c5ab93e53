//! Helpers for calls in tests.

use std::sync::Arc;

use capnp::capability::{FromClientHook, Promise};
use capos_fs::FileService;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{file, namespace, object, volume};
use capos_volume::{BlockDevice, FormatOptions, MemDevice, Options, Volume};

pub(crate) type Answer<T> = Result<T, Errno>;

/// An empty volume.
pub(crate) fn device() -> Arc<dyn BlockDevice> {
    let device: Arc<dyn BlockDevice> = Arc::new(MemDevice::new(8 << 20));
    Volume::format(&device, FormatOptions { id: 7, ..FormatOptions::default() }, 0).unwrap();
    device
}

pub(crate) fn open(device: Arc<dyn BlockDevice>) -> Volume {
    Volume::open(device, Options::default()).unwrap()
}

pub(crate) fn served() -> volume::Client {
    capos_fs::serve(open(device()))
}

pub(crate) fn service(options: capos_fs::Options) -> FileService {
    FileService::new(open(device()), options, None)
}

/// Sends a request, and extracts the error from the response.
macro_rules! call {
    ($request:expr) => {{
        let response = futures::executor::block_on($request.send().promise).unwrap();
        let error = response.get().unwrap().get_error().unwrap();
        if error == capos_schema::errno_capnp::Errno::Success { Ok(response) } else { Err(error) }
    }};
}
pub(crate) use call;

pub(crate) fn grant(
    volume: &volume::Client,
    path: &str,
    rights: &str,
    create: bool,
) -> Answer<namespace::Client> {
    let mut request = volume.namespace_request();
    request.get().set_path(path.as_bytes());
    request.get().set_create(create);
    let mut set = request.get().init_rights();
    set.set_read(rights.contains('r'));
    set.set_write(rights.contains('w'));
    set.set_modify(rights.contains('m'));
    call!(request).map(|response| response.get().unwrap().get_directory().unwrap())
}

pub(crate) fn sub(namespace: &namespace::Client, path: &str, rights: &str) -> Answer<namespace::Client> {
    let mut request = namespace.sub_request();
    request.get().set_path(path.as_bytes());
    let mut set = request.get().init_rights();
    set.set_read(rights.contains('r'));
    set.set_write(rights.contains('w'));
    set.set_modify(rights.contains('m'));
    call!(request).map(|response| response.get().unwrap().get_directory().unwrap())
}

pub(crate) enum Opened {
    File(file::Client),
    Directory(namespace::Client),
}

/// Opens with flags of `rwcxtd`.
pub(crate) fn open_any(namespace: &namespace::Client, path: &str, flags: &str) -> Answer<Opened> {
    let mut request = namespace.open_request();
    request.get().set_path(path.as_bytes());
    request.get().set_follow(true);
    let mut set = request.get().init_flags();
    set.set_read(flags.contains('r'));
    set.set_write(flags.contains('w'));
    set.set_create(flags.contains('c'));
    set.set_exclusive(flags.contains('x'));
    set.set_truncate(flags.contains('t'));
    set.set_directory(flags.contains('d'));
    let response = call!(request)?;
    let results = response.get().unwrap();
    assert_ne!(results.has_file(), results.has_directory());
    Ok(if results.has_file() {
        Opened::File(results.get_file().unwrap())
    } else {
        Opened::Directory(results.get_directory().unwrap())
    })
}

pub(crate) fn open_file(namespace: &namespace::Client, path: &str, flags: &str) -> Answer<file::Client> {
    match open_any(namespace, path, flags)? {
        Opened::File(file) => Ok(file),
        Opened::Directory(_) => panic!("{path} is a directory"),
    }
}

pub(crate) fn open_dir(namespace: &namespace::Client, path: &str) -> Answer<namespace::Client> {
    match open_any(namespace, path, "rd")? {
        Opened::Directory(directory) => Ok(directory),
        Opened::File(_) => panic!("{path} is a file"),
    }
}

pub(crate) fn write(file: &file::Client, offset: u64, data: &[u8]) -> Answer<u32> {
    let mut request = file.write_request();
    request.get().set_offset(offset);
    request.get().set_data(data);
    call!(request).map(|response| response.get().unwrap().get_written())
}

pub(crate) fn read(file: &file::Client, offset: u64, length: u32) -> Answer<Vec<u8>> {
    let mut request = file.read_request();
    request.get().set_offset(offset);
    request.get().set_length(length);
    call!(request).map(|response| response.get().unwrap().get_data().unwrap().to_vec())
}

/// Size of the object at `path`.
pub(crate) fn size(namespace: &namespace::Client, path: &str) -> Answer<u64> {
    let mut request = namespace.stat_path_request();
    request.get().set_path(path.as_bytes());
    call!(request).map(|response| response.get().unwrap().get_attributes().unwrap().get_size())
}

pub(crate) fn rename(from: &namespace::Client, path: &str, to: &namespace::Client, new: &str) -> Answer<()> {
    let mut request = from.rename_request();
    request.get().set_path(path.as_bytes());
    request.get().set_to(to.clone());
    request.get().set_new_path(new.as_bytes());
    call!(request).map(drop)
}

pub(crate) fn link(from: &namespace::Client, path: &str, to: &namespace::Client, new: &str) -> Answer<()> {
    let mut request = from.link_request();
    request.get().set_path(path.as_bytes());
    request.get().set_to(to.clone());
    request.get().set_new_path(new.as_bytes());
    call!(request).map(drop)
}

pub(crate) fn mkdir(namespace: &namespace::Client, path: &str) -> Answer<()> {
    let mut request = namespace.create_directory_request();
    request.get().set_path(path.as_bytes());
    call!(request).map(drop)
}

pub(crate) fn unlink(namespace: &namespace::Client, path: &str) -> Answer<()> {
    let mut request = namespace.unlink_request();
    request.get().set_path(path.as_bytes());
    call!(request).map(drop)
}

pub(crate) fn inodes(volume: &volume::Client) -> u64 {
    call!(volume.usage_request()).unwrap().get().unwrap().get_inodes()
}

/// One page of a listing: names with cookies, and whether it was the last.
pub(crate) fn page(
    namespace: &namespace::Client,
    cookie: u64,
    bytes: u32,
) -> Answer<(Vec<(String, u64)>, bool)> {
    let mut request = namespace.read_directory_request();
    request.get().set_cookie(cookie);
    request.get().set_max_bytes(bytes);
    let response = call!(request)?;
    let results = response.get().unwrap();
    let entries = results.get_entries().unwrap();
    let names = entries
        .iter()
        .map(|entry| (entry.get_name().unwrap().to_string().unwrap(), entry.get_cookie()))
        .collect();
    Ok((names, results.get_end()))
}

/// A client that resolves to `client` only when polled.
pub(crate) fn promised(client: namespace::Client) -> namespace::Client {
    capnp_rpc::new_future_client(Promise::ok(client))
}

/// The client as an `Object`.
pub(crate) fn object<C: FromClientHook>(client: &C) -> object::Client {
    object::Client::new(client.as_client_hook().add_ref())
}
