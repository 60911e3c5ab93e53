//! Open files: a File capability.

use super::{
    Attributes, Error, Push, SetTime,
    ask::ask,
    attributes::{set_times, stat},
};
use capnp::capability::FromClientHook;
use capos_schema::file_capnp::{file, object};

/// A file that is open.
pub(crate) struct File {
    client: file::Client,
    /// Whether results arrive immediately.
    push: Push,
}

impl File {
    pub(crate) fn new(client: file::Client) -> Self {
        Self { client, push: Push::default() }
    }

    /// Reads up to `length` bytes at `offset` and passes them to `take` directly from the message.
    pub(crate) async fn read_at<T, E: From<Error>>(
        &self,
        offset: u64,
        length: u32,
        take: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut request = self.client.read_request();
        let mut params = request.get();
        params.set_offset(offset);
        params.set_length(length);
        ask!(request, pushed by self.push, |results| {
            let data = results.get_data().map_err(Error::of_file_call)?;
            // A server's data beyond the requested length is ignored.
            match data.len() > length as usize {
                true => Err(Error::Failed.into()),
                false => take(data),
            }
        })
    }

    /// Writes `length` bytes, which `fill` stores directly in the message, at `offset`, and returns the number of
    /// bytes written.
    pub(crate) async fn write_at<E: From<Error>>(
        &self,
        offset: u64,
        length: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<u32, E> {
        let mut request = self.client.write_request();
        let mut params = request.get();
        params.set_offset(offset);
        fill(params.init_data(length))?;
        ask!(request, pushed by self.push, |results| Ok(results.get_written().min(length)))
    }

    /// Writes at the end of the file; also returns the new end.
    pub(crate) async fn append<E: From<Error>>(
        &self,
        length: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<(u32, u64), E> {
        let mut request = self.client.append_request();
        fill(request.get().init_data(length))?;
        ask!(request, pushed by self.push, |results| {
            Ok((results.get_written().min(length), results.get_end()))
        })
    }

    pub(crate) async fn stat(&self) -> Result<Attributes, Error> {
        stat(&self.object()).await
    }

    pub(crate) async fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<(), Error> {
        set_times(&self.object(), accessed, modified).await
    }

    fn object(&self) -> object::Client {
        self.client.clone().cast_to()
    }

    pub(crate) async fn set_size(&self, size: u64) -> Result<(), Error> {
        let mut request = self.client.set_size_request();
        request.get().set_size(size);
        ask!(request, |_results| Ok(()))
    }

    /// Ensures that there is space for a range, and that the file extends to its end.
    pub(crate) async fn allocate(&self, offset: u64, length: u64) -> Result<(), Error> {
        let mut request = self.client.allocate_request();
        request.get().set_offset(offset);
        request.get().set_length(length);
        ask!(request, |_results| Ok(()))
    }

    /// Returns when all writes are durable; with `data_only`, the times need not be.
    pub(crate) async fn sync(&self, data_only: bool) -> Result<(), Error> {
        let mut request = self.object().sync_request();
        request.get().set_data_only(data_only);
        ask!(request, |_results| Ok(()))
    }
}
