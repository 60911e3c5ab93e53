//! Operations on files.

use capnp::capability::FromClientHook as _;
use capos_rt::Ask as _;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{MAX_DATA_BYTES, file, namespace, object};

use crate::counter::failed;

fn check(error: Errno) -> capnp::Result<()> {
    if error == Errno::Success { Ok(()) } else { Err(failed(format!("{error:?}"))) }
}

/// Opens a file for reading and writing, and creates it if it does not exist.
pub(crate) async fn open(directory: &namespace::Client, path: &str) -> capnp::Result<file::Client> {
    let mut request = directory.open_request();
    request.get().set_path(path.as_bytes());
    let mut flags = request.get().init_flags();
    flags.set_read(true);
    flags.set_write(true);
    flags.set_create(true);
    let response = request.ask().await?;
    check(response.get()?.get_error()?)?;
    response.get()?.get_file()
}

/// Reads `length` bytes from the beginning of a file into memory. Returns the number of bytes.
pub(crate) async fn read(file: &file::Client, length: usize) -> capnp::Result<usize> {
    let mut place = vec![0; length.min(MAX_DATA_BYTES as usize)];
    let mut done = 0;
    while done < length {
        let mut request = file.read_request();
        request.get().set_offset(done as u64);
        request.get().set_length(u32::try_from(length - done).unwrap_or(u32::MAX));
        let response = request.ask().await?;
        check(response.get()?.get_error()?)?;
        let data = response.get()?.get_data()?;
        if data.is_empty() {
            break;
        }
        place.get_mut(..data.len()).unwrap_or_default().copy_from_slice(data);
        done += data.len();
    }
    core::hint::black_box(&place);
    Ok(done)
}

/// Writes `bytes` to the beginning of a file.
pub(crate) async fn write(file: &file::Client, bytes: &[u8]) -> capnp::Result<()> {
    let mut offset = 0;
    for chunk in bytes.chunks(MAX_DATA_BYTES as usize) {
        let mut request = file.write_request();
        request.get().set_offset(offset);
        request.get().set_data(chunk);
        check(request.ask().await?.get()?.get_error()?)?;
        offset += chunk.len() as u64;
    }
    Ok(())
}

/// Writes `bytes` at the end of a file.
pub(crate) async fn append(file: &file::Client, bytes: &[u8]) -> capnp::Result<()> {
    let mut request = file.append_request();
    request.get().set_data(bytes);
    check(request.ask().await?.get()?.get_error()?)
}

/// Makes all changes durable.
pub(crate) async fn sync(file: &file::Client) -> capnp::Result<()> {
    let object = object::Client::new(file.as_client_hook().add_ref());
    check(object.sync_request().ask().await?.get()?.get_error()?)
}

/// Removes a file.
pub(crate) async fn remove(directory: &namespace::Client, path: &str) -> capnp::Result<()> {
    let mut request = directory.unlink_request();
    request.get().set_path(path.as_bytes());
    check(request.ask().await?.get()?.get_error()?)
}
