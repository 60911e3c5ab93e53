//! A directory of a volume, and its files.

use capnp::capability::FromClientHook as _;
use capos_schema::errno_capnp::Errno;
use capos_schema::file_capnp::{file, namespace, object};

/// The most that is read or written at once.
pub(super) const PIECE_BYTES: usize = capos_schema::file_capnp::MAX_DATA_BYTES as usize;
/// Size of the lists in which names are read.
const LIST_BYTES: u32 = 16 << 10;

type Outcome<T> = Result<T, Errno>;

/// Sends a request, and gives the response if it states no error. Failed calls are errors of input and output.
macro_rules! answer {
    ($request:expr) => {
        async {
            let response = $request.send().promise.await.map_err(|_| Errno::Io)?;
            match response.get().map_err(|_| Errno::Io)?.get_error().map_err(|_| Errno::Io)? {
                Errno::Success => Ok(response),
                error => Err(error),
            }
        }
    };
}

/// A directory.
pub(super) struct Folder(namespace::Client);

/// An open file.
pub(super) struct File {
    client: file::Client,
    bytes: u64,
}

impl Folder {
    pub(super) fn new(client: namespace::Client) -> Self {
        Self(client)
    }

    /// The names of everything in it.
    pub(super) async fn files(&self) -> Outcome<Vec<String>> {
        let (mut names, mut cookie) = (Vec::new(), 0);
        loop {
            let mut request = self.0.read_directory_request();
            request.get().set_cookie(cookie);
            request.get().set_max_bytes(LIST_BYTES);
            let response = answer!(request).await?;
            let list = response.get().map_err(|_| Errno::Io)?;
            let entries = list.get_entries().map_err(|_| Errno::Io)?;
            for entry in entries {
                cookie = entry.get_cookie();
                let name = entry.get_name().ok().and_then(|name| name.to_string().ok()).ok_or(Errno::Io)?;
                names.push(name);
            }
            if list.get_end() || entries.is_empty() {
                return Ok(names);
            }
        }
    }

    /// Size and time of the last use.
    pub(super) async fn attributes(&self, name: &str) -> Outcome<(u64, u64)> {
        let mut request = self.0.stat_path_request();
        request.get().set_path(name.as_bytes());
        let response = answer!(request).await?;
        let attributes =
            response.get().and_then(|results| results.get_attributes()).map_err(|_| Errno::Io)?;
        Ok((attributes.get_size(), attributes.get_accessed()))
    }

    /// Opens a file for reading.
    pub(super) async fn open(&self, name: &str) -> Outcome<File> {
        self.open_with(name, false).await
    }

    /// Creates an empty file, in place of one that is there.
    pub(super) async fn create(&self, name: &str) -> Outcome<File> {
        self.open_with(name, true).await
    }

    async fn open_with(&self, name: &str, is_new: bool) -> Outcome<File> {
        let mut request = self.0.open_request();
        request.get().set_path(name.as_bytes());
        let mut flags = request.get().init_flags();
        flags.set_read(true);
        flags.set_times(true);
        flags.set_write(is_new);
        flags.set_create(is_new);
        flags.set_truncate(is_new);
        let response = answer!(request).await?;
        let results = response.get().map_err(|_| Errno::Io)?;
        if !results.has_file() {
            return Err(Errno::IsDirectory);
        }
        let client = results.get_file().map_err(|_| Errno::Io)?;
        let bytes = results.get_attributes().map_err(|_| Errno::Io)?.get_size();
        Ok(File { client, bytes })
    }

    /// Gives a file another name, which it takes from another one.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Outcome<()> {
        let mut request = self.0.rename_request();
        request.get().set_path(from.as_bytes());
        request.get().set_to(self.0.clone());
        request.get().set_new_path(to.as_bytes());
        answer!(request).await.map(drop)
    }

    /// Removes a file, or an empty directory.
    pub(super) async fn remove(&self, name: &str) -> Outcome<()> {
        let mut request = self.0.unlink_request();
        request.get().set_path(name.as_bytes());
        match answer!(request).await.map(drop) {
            Err(Errno::IsDirectory | Errno::NotPermitted) => {
                let mut request = self.0.remove_directory_request();
                request.get().set_path(name.as_bytes());
                answer!(request).await.map(drop)
            }
            outcome => outcome,
        }
    }
}

impl File {
    /// The methods that it has in common with directories.
    fn object(&self) -> object::Client {
        object::Client::new(self.client.as_client_hook().add_ref())
    }

    /// Its size when it was opened.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads up to `length` bytes, and calls `take` with them.
    pub(super) async fn read(
        &self,
        offset: u64,
        length: usize,
        take: impl FnOnce(&[u8]) -> bool,
    ) -> Outcome<bool> {
        let mut request = self.client.read_request();
        request.get().set_offset(offset);
        request.get().set_length(u32::try_from(length).unwrap_or(u32::MAX));
        let response = answer!(request).await?;
        let data = response.get().and_then(|results| results.get_data()).map_err(|_| Errno::Io)?;
        Ok(take(data))
    }

    /// Writes all of `data`, which is at most [`PIECE_BYTES`] long.
    pub(super) async fn write(&self, offset: u64, data: &[u8]) -> Outcome<()> {
        let mut request = self.client.write_request();
        request.get().set_offset(offset);
        request.get().set_data(data);
        let response = answer!(request).await?;
        match response.get().map_err(|_| Errno::Io)?.get_written() as usize == data.len() {
            true => Ok(()),
            false => Err(Errno::NoSpace),
        }
    }

    /// Returns when everything written is durable.
    pub(super) async fn sync(&self) -> Outcome<()> {
        answer!(self.object().sync_request()).await.map(drop)
    }

    /// Records that it was used now. Failing costs only its place among the least recently used ones.
    pub(super) async fn set_used(&self) {
        let mut request = self.object().set_times_request();
        request.get().init_accessed().set_now(());
        request.get().init_modified().set_keep(());
        answer!(request).await.map(drop).ok();
    }
}
