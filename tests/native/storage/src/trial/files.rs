//! Operations on files, with their results.

use capnp::capability::FromClientHook;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{file, namespace, object};

/// Sends a request, and extracts the error from the response.
macro_rules! ask {
    ($request:expr) => {{
        let response = $request.send().promise.await?;
        let error = response.get()?.get_error()?;
        (error, response)
    }};
}
pub(crate) use ask;

pub(crate) type Outcome<T> = capnp::Result<Result<T, Errno>>;

fn outcome<T>(error: Errno, value: T) -> Result<T, Errno> {
    if error == Errno::Success { Ok(value) } else { Err(error) }
}

/// Opens a file for reading and writing, and creates it if it does not exist.
pub(crate) async fn open(directory: &namespace::Client, path: &[u8]) -> Outcome<file::Client> {
    let mut request = directory.open_request();
    request.get().set_path(path);
    let mut flags = request.get().init_flags();
    flags.set_read(true);
    flags.set_write(true);
    flags.set_create(true);
    let (error, response) = ask!(request);
    Ok(if error == Errno::Success { Ok(response.get()?.get_file()?) } else { Err(error) })
}

pub(crate) async fn write(file: &file::Client, offset: u64, data: &[u8]) -> Outcome<usize> {
    let mut request = file.write_request();
    request.get().set_offset(offset);
    request.get().set_data(data);
    let (error, response) = ask!(request);
    Ok(outcome(error, response.get()?.get_written() as usize))
}

pub(crate) async fn read(file: &file::Client, offset: u64, length: u32) -> Outcome<Vec<u8>> {
    let mut request = file.read_request();
    request.get().set_offset(offset);
    request.get().set_length(length);
    let (error, response) = ask!(request);
    Ok(outcome(error, response.get()?.get_data()?.to_vec()))
}

pub(crate) async fn sync(file: &file::Client) -> Outcome<()> {
    let object = object::Client::new(file.as_client_hook().add_ref());
    Ok(outcome(ask!(object.sync_request()).0, ()))
}

pub(crate) async fn rename(
    from: &namespace::Client,
    path: &[u8],
    to: namespace::Client,
    new_path: &[u8],
) -> Outcome<()> {
    let mut request = from.rename_request();
    request.get().set_path(path);
    request.get().set_to(to);
    request.get().set_new_path(new_path);
    Ok(outcome(ask!(request).0, ()))
}

pub(crate) async fn size(directory: &namespace::Client, path: &[u8]) -> Outcome<u64> {
    let mut request = directory.stat_path_request();
    request.get().set_path(path);
    let (error, response) = ask!(request);
    Ok(outcome(error, response.get()?.get_attributes()?.get_size()))
}

/// A file with this content, synced.
pub(crate) async fn keep(
    directory: &namespace::Client,
    path: &[u8],
    data: &[u8],
) -> capnp::Result<file::Client> {
    let file = open(directory, path).await?.map_err(|error| capnp::Error::failed(format!("{error:?}")))?;
    crate::expect("writing", write(&file, 0, data).await?, Ok(data.len()))?;
    crate::expect("syncing", sync(&file).await?, Ok(()))?;
    Ok(file)
}
