//! Single operations through the file interfaces.

use capnp::capability::FromClientHook;
use capos_history::{Op, content};
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{MAX_DATA_BYTES, file, namespace, object};

/// Sends a request, and extracts the error from the response.
macro_rules! ask {
    ($request:expr) => {{
        let response = $request.send().promise.await?;
        let error = response.get()?.get_error()?;
        (error, response)
    }};
}
pub(crate) use ask;

/// Applies `op`, which has this number. Returns its result.
///
/// # Errors
/// If the volume failed.
pub(crate) async fn apply(data: &namespace::Client, number: u64, op: &Op) -> capnp::Result<Errno> {
    let error = attempt(data, number, op).await?;
    if matches!(error, Errno::Io | Errno::NotCapable | Errno::NoSpace) {
        return Err(capnp::Error::failed(format!("operation {number}, {op:?}: {error:?}")));
    }
    Ok(error)
}

async fn attempt(data: &namespace::Client, number: u64, op: &Op) -> capnp::Result<Errno> {
    Ok(match op {
        Op::Create(path) => open(data, path, true).await?.error,
        Op::Write { path, offset, length } => {
            let Some(file) = open(data, path, false).await?.file else { return Ok(Errno::NoEntry) };
            let mut request = file.write_request();
            request.get().set_offset(*offset);
            request.get().set_data(&content(number, *length));
            let (error, response) = ask!(request);
            whole(error, response.get()?.get_written(), *length)?
        }
        Op::Append(path, length) => {
            let Some(file) = open(data, path, false).await?.file else { return Ok(Errno::NoEntry) };
            let mut request = file.append_request();
            request.get().set_data(&content(number, *length));
            let (error, response) = ask!(request);
            whole(error, response.get()?.get_written(), *length)?
        }
        Op::SetSize(path, size) => {
            let Some(file) = open(data, path, false).await?.file else { return Ok(Errno::NoEntry) };
            let mut request = file.set_size_request();
            request.get().set_size(*size);
            ask!(request).0
        }
        Op::Rename(from, to) => {
            let mut request = data.rename_request();
            request.get().set_path(from.as_bytes());
            request.get().set_to(data.clone());
            request.get().set_new_path(to.as_bytes());
            ask!(request).0
        }
        Op::Unlink(path) => {
            let mut request = data.unlink_request();
            request.get().set_path(path.as_bytes());
            ask!(request).0
        }
        Op::MakeDirectory(path) => {
            let mut request = data.create_directory_request();
            request.get().set_path(path.as_bytes());
            ask!(request).0
        }
        Op::RemoveDirectory(path) => {
            let mut request = data.remove_directory_request();
            request.get().set_path(path.as_bytes());
            ask!(request).0
        }
        Op::Sync => sync(data).await?,
    })
}

/// Makes all changes durable.
pub(crate) async fn sync(data: &namespace::Client) -> capnp::Result<Errno> {
    let object = object::Client::new(data.as_client_hook().add_ref());
    Ok(ask!(object.sync_request()).0)
}

/// Like `sync`, but failing on any error.
pub(crate) async fn store(data: &namespace::Client) -> capnp::Result<()> {
    match sync(data).await? {
        Errno::Success => Ok(()),
        error => Err(capnp::Error::failed(format!("syncing: {error:?}"))),
    }
}

/// A write is applied as a whole or not at all.
fn whole(error: Errno, written: u32, length: usize) -> capnp::Result<Errno> {
    if error == Errno::Success && written as usize != length {
        return Err(capnp::Error::failed(format!("{written} of {length} bytes were written")));
    }
    Ok(error)
}

/// The result of opening a file.
pub(crate) struct Open {
    pub(crate) file: Option<file::Client>,
    pub(crate) error: Errno,
}

/// Opens a file for reading and writing.
pub(crate) async fn open(data: &namespace::Client, path: &str, create: bool) -> capnp::Result<Open> {
    let mut request = data.open_request();
    request.get().set_path(path.as_bytes());
    let mut flags = request.get().init_flags();
    flags.set_read(true);
    flags.set_write(true);
    flags.set_create(create);
    let (error, response) = ask!(request);
    let file = if error == Errno::Success { Some(response.get()?.get_file()?) } else { None };
    Ok(Open { file, error })
}

/// Whether the name exists.
pub(crate) async fn exists(data: &namespace::Client, path: &str) -> capnp::Result<bool> {
    let mut request = data.stat_path_request();
    request.get().set_path(path.as_bytes());
    match ask!(request).0 {
        Errno::Success => Ok(true),
        Errno::NoEntry => Ok(false),
        error => Err(capnp::Error::failed(format!("{path}: {error:?}"))),
    }
}

/// Replaces a file's content by `bytes`.
pub(crate) async fn replace(data: &namespace::Client, path: &str, bytes: &[u8]) -> capnp::Result<()> {
    let Open { file, error } = open(data, path, true).await?;
    let Some(file) = file else {
        return Err(capnp::Error::failed(format!("{path}: {error:?}")));
    };
    let (error, _) = ask!(file.set_size_request());
    let mut request = file.write_request();
    request.get().set_data(bytes);
    let (written, response) = ask!(request);
    if error != Errno::Success
        || whole(written, response.get()?.get_written(), bytes.len())? != Errno::Success
    {
        return Err(capnp::Error::failed(format!("{path}: {error:?}, {written:?}")));
    }
    Ok(())
}

/// The content of a file.
pub(crate) async fn read(data: &namespace::Client, path: &str) -> capnp::Result<Vec<u8>> {
    let mut request = data.open_request();
    request.get().set_path(path.as_bytes());
    request.get().init_flags().set_read(true);
    let (error, response) = ask!(request);
    if error != Errno::Success {
        return Err(capnp::Error::failed(format!("{path}: {error:?}")));
    }
    let file = response.get()?.get_file()?;
    let mut bytes = Vec::new();
    loop {
        let mut request = file.read_request();
        request.get().set_offset(bytes.len() as u64);
        request.get().set_length(MAX_DATA_BYTES);
        let (error, response) = ask!(request);
        let data = response.get()?.get_data()?;
        if error != Errno::Success {
            return Err(capnp::Error::failed(format!("{path}: {error:?}")));
        }
        if data.is_empty() {
            return Ok(bytes);
        }
        bytes.extend_from_slice(data);
    }
}
