//! Reading a module from a file.

use capnp::Error;
use capos_schema::{
    errno_capnp::Errno,
    file_capnp::{MAX_DATA_BYTES, file, namespace},
};

/// A longer file is refused, because it is held in this process's memory.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Reads the file at `path`.
///
/// # Errors
/// If it is not a file, cannot be read, or is too long.
pub(super) async fn read_file(directory: &namespace::Client, path: &[u8]) -> Result<Vec<u8>, Error> {
    let (file, size) = open(directory, path).await?;
    let mut bytes = Vec::new();
    // The size is reported by the server, so it is only a hint and limited.
    let expected = usize::try_from(size).unwrap_or(usize::MAX).min(MAX_FILE_BYTES);
    bytes.try_reserve_exact(expected).map_err(|_| Error::overloaded("no memory for the module".into()))?;
    loop {
        let mut request = file.read_request();
        request.get().set_offset(bytes.len() as u64);
        request.get().set_length(MAX_DATA_BYTES);
        let response = request.send().promise.await?;
        let results = response.get()?;
        check(results.get_error())?;
        let data = results.get_data()?;
        if data.is_empty() {
            return Ok(bytes);
        }
        if data.len() > MAX_FILE_BYTES - bytes.len() {
            return Err(Error::failed(format!("longer than {MAX_FILE_BYTES} bytes")));
        }
        bytes.extend_from_slice(data);
    }
}

async fn open(directory: &namespace::Client, path: &[u8]) -> Result<(file::Client, u64), Error> {
    let mut request = directory.open_request();
    let mut params = request.get();
    params.set_path(path);
    params.set_follow(true);
    params.init_flags().set_read(true);
    let response = request.send().promise.await?;
    let results = response.get()?;
    check(results.get_error())?;
    if !results.has_file() {
        return Err(Error::failed(format!("{:?}", Errno::IsDirectory)));
    }
    Ok((results.get_file()?, results.get_attributes()?.get_size()))
}

fn check(error: Result<Errno, capnp::NotInSchema>) -> Result<(), Error> {
    match error? {
        Errno::Success => Ok(()),
        error => Err(Error::failed(format!("{error:?}"))),
    }
}
