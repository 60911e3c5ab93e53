//! Open directories: a Namespace capability. Paths are passed unchanged to its service, which resolves them inside
//! the directory or fails.

use super::{
    Attributes, Error, File, Kind, SetTime,
    ask::ask,
    attributes::{set_times, stat},
    error::outcome,
};
use capnp::capability::FromClientHook;
use capos_rt::Ask as _;
use capos_schema::file_capnp::{MAX_DATA_BYTES, namespace, object};

/// A directory that is open.
#[derive(Clone)]
pub(crate) struct Directory {
    client: namespace::Client,
}

/// A path, copied once, directly into the message.
pub(crate) trait PathBytes {
    /// The error of copying and of every operation with the path.
    type Error: From<Error>;

    /// Its length in bytes, as needed for copying.
    fn len_bytes(&self) -> u32;

    /// Copies it to `target`, which has that length.
    fn copy_to(&self, target: &mut [u8]) -> Result<(), Self::Error>;
}

/// Options for opening a path.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OpenOptions {
    /// Open the target of a symbolic link in the last component.
    pub(crate) follow: bool,
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// Create the file if it does not exist.
    pub(crate) create: bool,
    /// With `create`: fail if it exists.
    pub(crate) exclusive: bool,
    pub(crate) truncate: bool,
    /// Fail unless it is a directory.
    pub(crate) directory: bool,
    /// Its times may be set even if it is not opened for writing.
    pub(crate) times: bool,
}

/// The object that was opened.
pub(crate) enum Opened {
    File(File),
    Directory(Directory),
}

/// An entry of a listing.
pub(crate) struct Entry<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) inode: u64,
    /// `None` for a kind that is not in the schema.
    pub(crate) kind: Option<Kind>,
    /// Where the listing continues after it.
    pub(crate) cookie: u64,
}

/// Whether a listing continues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Wanted,
    Enough,
}

/// Defines a function that only takes the path of something to create or remove.
macro_rules! by_name {
    ($(#[$doc:meta])* $name:ident, $request:ident) => {
        $(#[$doc])*
        pub(crate) async fn $name<P: PathBytes>(&self, path: P) -> Result<(), P::Error> {
            let mut request = self.client.$request();
            path.copy_to(request.get().init_path(path.len_bytes()))?;
            ask!(request, |_results| Ok(()))
        }
    };
}

impl Directory {
    pub(crate) fn new(client: namespace::Client) -> Self {
        Self { client }
    }

    fn object(&self) -> object::Client {
        self.client.clone().cast_to()
    }

    pub(crate) async fn stat(&self) -> Result<Attributes, Error> {
        stat(&self.object()).await
    }

    pub(crate) async fn set_times(&self, accessed: SetTime, modified: SetTime) -> Result<(), Error> {
        set_times(&self.object(), accessed, modified).await
    }

    /// The attributes of the entry `..`.
    pub(crate) async fn parent(&self) -> Result<Attributes, Error> {
        ask!(self.client.parent_request(), |results| Attributes::read(results.get_attributes()))
    }

    by_name!(create_directory, create_directory_request);
    by_name!(
        /// Removes an empty directory.
        remove_directory, remove_directory_request
    );
    by_name!(
        /// Removes a file or symbolic link.
        unlink, unlink_request
    );

    /// Opens the object at a path.
    pub(crate) async fn open<P: PathBytes>(&self, path: P, options: OpenOptions) -> Result<Opened, P::Error> {
        let mut request = self.client.open_request();
        let mut params = request.get();
        params.set_follow(options.follow);
        let mut flags = params.reborrow().init_flags();
        flags.set_read(options.read);
        flags.set_write(options.write);
        flags.set_create(options.create);
        flags.set_exclusive(options.exclusive);
        flags.set_truncate(options.truncate);
        flags.set_directory(options.directory);
        flags.set_times(options.times);
        path.copy_to(params.init_path(path.len_bytes()))?;
        let response = request.ask().await.map_err(Error::of_opening)?;
        let results = response.get().map_err(Error::of_file_call)?;
        outcome(results.get_error())?;
        match (results.has_file(), results.has_directory()) {
            (true, _) => Ok(Opened::File(File::new(results.get_file().map_err(Error::of_opening)?))),
            (false, true) => {
                Ok(Opened::Directory(Self::new(results.get_directory().map_err(Error::of_opening)?)))
            }
            (false, false) => Err(Error::Failed.into()),
        }
    }

    /// The attributes of the object at a path.
    pub(crate) async fn stat_path<P: PathBytes>(
        &self,
        path: P,
        follow: bool,
    ) -> Result<Attributes, P::Error> {
        let mut request = self.client.stat_path_request();
        request.get().set_follow(follow);
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        ask!(request, |results| Ok(Attributes::read(results.get_attributes())?))
    }

    /// Sets the times of the object at a path.
    pub(crate) async fn set_times_path<P: PathBytes>(
        &self,
        path: P,
        follow: bool,
        accessed: SetTime,
        modified: SetTime,
    ) -> Result<(), P::Error> {
        let mut request = self.client.set_times_path_request();
        request.get().set_follow(follow);
        accessed.write(request.get().init_accessed());
        modified.write(request.get().init_modified());
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        ask!(request, |_results| Ok(()))
    }

    /// Creates a second name for a file, in `to`. A symbolic link in the last component is not followed.
    pub(crate) async fn link<P: PathBytes>(&self, path: P, to: Self, new_path: P) -> Result<(), P::Error> {
        let mut request = self.client.link_request();
        request.get().set_to(to.client);
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        new_path.copy_to(request.get().init_new_path(new_path.len_bytes()))?;
        ask!(request, |_results| Ok(()))
    }

    /// Renames an object or moves it to `to`, replacing the target where POSIX allows it.
    pub(crate) async fn rename<P: PathBytes>(&self, path: P, to: Self, new_path: P) -> Result<(), P::Error> {
        let mut request = self.client.rename_request();
        request.get().set_to(to.client);
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        new_path.copy_to(request.get().init_new_path(new_path.len_bytes()))?;
        ask!(request, |_results| Ok(()))
    }

    /// Creates a symbolic link at `path` to `target`.
    pub(crate) async fn symlink<P: PathBytes>(&self, target: P, path: P) -> Result<(), P::Error> {
        let mut request = self.client.create_symbolic_link_request();
        target.copy_to(request.get().init_target(target.len_bytes()))?;
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        ask!(request, |_results| Ok(()))
    }

    /// Passes the target of a symbolic link to `take`.
    pub(crate) async fn read_link<P: PathBytes, T>(
        &self,
        path: P,
        take: impl FnOnce(&[u8]) -> Result<T, P::Error>,
    ) -> Result<T, P::Error> {
        let mut request = self.client.read_link_request();
        path.copy_to(request.get().init_path(path.len_bytes()))?;
        ask!(request, |results| take(results.get_target().map_err(Error::of_file_call)?))
    }

    /// Makes one request for `max_bytes` of entries after `cookie` and passes them to `each`, until it has enough.
    /// Returns the cookie to continue with; `None` if there are no more.
    pub(crate) async fn entries<E: From<Error>>(
        &self,
        cookie: u64,
        max_bytes: u32,
        mut each: impl FnMut(Entry<'_>) -> Result<More, E>,
    ) -> Result<Option<u64>, E> {
        let mut request = self.client.read_directory_request();
        request.get().set_cookie(cookie);
        request.get().set_max_bytes(max_bytes.min(MAX_DATA_BYTES));
        ask!(request, |results| {
            let mut last = None;
            for entry in results.get_entries().map_err(Error::of_file_call)? {
                let next = entry.get_cookie();
                let more = each(Entry {
                    name: entry.get_name().map_err(Error::of_file_call)?.as_bytes(),
                    inode: entry.get_inode(),
                    kind: entry.get_kind().ok(),
                    cookie: next,
                })?;
                last = Some(next);
                if more == More::Enough {
                    break;
                }
            }
            // A service that repeats itself must not occupy the host forever.
            Ok(last.filter(|&next| !results.get_end() && next > cookie))
        })
    }
}
