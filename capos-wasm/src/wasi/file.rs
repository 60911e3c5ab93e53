//! Open files: a File capability, and the position that Preview 1 keeps with a descriptor.

use super::{Errno, filestat::Attributes, push::Push};
use capnp::capability::FromClientHook;
use capos_schema::file_capnp::{file, object, set_time};

/// A file that is open.
pub(super) struct OpenFile {
    pub(super) client: file::Client,
    /// Where the next read or write is.
    pub(super) position: u64,
    /// Whether it was opened to read.
    pub(super) reads: bool,
    /// Whether it was opened to write.
    pub(super) writes: bool,
    /// Whether what is written counts as output.
    pub(super) is_stream: bool,
    /// Whether answers come at once.
    pub(super) push: Push,
}

/// When a time is to be set.
#[derive(Clone, Copy, Debug)]
pub(super) enum SetTime {
    Keep,
    Now,
    To(u64),
}

impl SetTime {
    pub(super) fn write(self, mut builder: set_time::Builder<'_>) {
        match self {
            Self::Keep => builder.set_keep(()),
            Self::Now => builder.set_now(()),
            Self::To(nanoseconds) => builder.set_to(nanoseconds),
        }
    }
}

/// Sends a request on a file or directory, at once with a `$push`, waits for its results and looks at the error in them;
/// `$use` gets the results.
macro_rules! ask {
    ($request:expr, $(pushed by $push:expr,)? |$results:ident| $use:expr) => {{
        let promise = $request.send().promise;
        $(let promise = $push.call(promise);)?
        let response = promise.await.map_err($crate::wasi::Errno::from_file_capability)?;
        let $results = response.get().map_err($crate::wasi::Errno::from_file_capability)?;
        $crate::wasi::errno::outcome($results.get_error())?;
        $use
    }};
}
pub(super) use ask;

impl OpenFile {
    pub(super) fn new(client: file::Client, reads: bool, writes: bool) -> Self {
        Self { client, position: 0, reads, writes, is_stream: false, push: Push::default() }
    }

    /// Reads up to `length` bytes at `offset` and hands them to `take` where they arrived.
    pub(super) async fn read_at<T>(
        &self,
        offset: u64,
        length: u32,
        take: impl FnOnce(&[u8]) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut request = self.client.read_request();
        let mut params = request.get();
        params.set_offset(offset);
        params.set_length(length);
        ask!(request, pushed by self.push, |results| {
            let data = results.get_data().map_err(Errno::from_file_capability)?;
            // A server that gives more than was asked for is not believed.
            match data.len() > length as usize {
                true => Err(Errno::Io),
                false => take(data),
            }
        })
    }

    /// Writes `length` bytes, which `fill` puts where they are sent from, at `offset`, and says how many were
    /// written.
    pub(super) async fn write_at(
        &self,
        offset: u64,
        length: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<u32, Errno> {
        let mut request = self.client.write_request();
        let mut params = request.get();
        params.set_offset(offset);
        fill(params.init_data(length))?;
        ask!(request, pushed by self.push, |results| Ok(results.get_written().min(length)))
    }

    /// Writes at the end of the file; also says where the end is then.
    pub(super) async fn append(
        &self,
        length: u32,
        fill: impl FnOnce(&mut [u8]) -> Result<(), Errno>,
    ) -> Result<(u32, u64), Errno> {
        let mut request = self.client.append_request();
        fill(request.get().init_data(length))?;
        ask!(request, pushed by self.push, |results| {
            Ok((results.get_written().min(length), results.get_end()))
        })
    }

    pub(super) async fn stat(&self) -> Result<Attributes, Errno> {
        stat(&self.object()).await
    }

    pub(super) async fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<(), Errno> {
        set_times(&self.object(), accessed, modified).await
    }

    fn object(&self) -> object::Client {
        self.client.clone().cast_to()
    }

    pub(super) async fn set_size(&self, size: u64) -> Result<(), Errno> {
        let mut request = self.client.set_size_request();
        request.get().set_size(size);
        ask!(request, |_results| Ok(()))
    }

    pub(super) async fn allocate(&self, offset: u64, length: u64) -> Result<(), Errno> {
        let mut request = self.client.allocate_request();
        request.get().set_offset(offset);
        request.get().set_length(length);
        ask!(request, |_results| Ok(()))
    }

    /// Returns when what was written survives; with `data_only` its times need not.
    pub(super) async fn sync(&self, data_only: bool) -> Result<(), Errno> {
        let mut request = self.object().sync_request();
        request.get().set_data_only(data_only);
        ask!(request, |_results| Ok(()))
    }
}

/// The attributes of a file or directory.
pub(super) async fn stat(object: &object::Client) -> Result<Attributes, Errno> {
    ask!(object.stat_request(), |results| Attributes::read(results.get_attributes()))
}

/// Sets the times of a file or directory.
pub(super) async fn set_times(
    object: &object::Client,
    accessed: SetTime,
    modified: SetTime,
) -> Result<(), Errno> {
    let mut request = object.set_times_request();
    accessed.write(request.get().init_accessed());
    modified.write(request.get().init_modified());
    ask!(request, |_results| Ok(()))
}
