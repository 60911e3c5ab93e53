//! A folder of one file, for modules longer than a message, and for calls of Preview 1.

use capnp::Error;
use capos_rt::schema::{
    errno_capnp::Errno,
    file_capnp::{Kind, MAX_DATA_BYTES, MAX_ENTRIES, file, namespace, object},
};
use std::rc::Rc;

/// Serves a folder in which every path refers to a file with this content.
pub(crate) fn folder_of(bytes: Vec<u8>) -> namespace::Client {
    capos_rt::serve(Folder(Rc::new(Bytes(bytes))))
}

struct Folder(Rc<Bytes>);

impl object::Server for Folder {
    async fn stat(
        self: Rc<Self>,
        _: object::StatParams,
        mut results: object::StatResults,
    ) -> Result<(), Error> {
        results.get().set_error(Errno::Success);
        results.get().init_attributes().set_kind(Kind::Directory);
        Ok(())
    }
}

impl namespace::Server for Folder {
    async fn open(
        self: Rc<Self>,
        _: namespace::OpenParams,
        mut results: namespace::OpenResults,
    ) -> Result<(), Error> {
        let mut results = results.get();
        results.set_error(Errno::Success);
        results.reborrow().init_attributes().set_size(self.0.0.len() as u64);
        results.set_file(capos_rt::serve_rc::<file::Client, _>(self.0.clone()));
        Ok(())
    }

    /// As many entries as possible, without an end.
    async fn read_directory(
        self: Rc<Self>,
        params: namespace::ReadDirectoryParams,
        mut results: namespace::ReadDirectoryResults,
    ) -> Result<(), Error> {
        let cookie = params.get()?.get_cookie();
        let mut results = results.get();
        results.set_error(Errno::Success);
        let mut entries = results.init_entries(MAX_ENTRIES);
        for (index, cookie) in (0..MAX_ENTRIES).zip(cookie + 1..) {
            let mut entry = entries.reborrow().get(index);
            entry.set_name("x");
            entry.set_kind(Kind::File);
            entry.set_cookie(cookie);
        }
        Ok(())
    }

    async fn parent(
        self: Rc<Self>,
        _: namespace::ParentParams,
        mut results: namespace::ParentResults,
    ) -> Result<(), Error> {
        results.get().set_error(Errno::Success);
        Ok(())
    }
}

struct Bytes(Vec<u8>);

impl object::Server for Bytes {
    async fn stat(
        self: Rc<Self>,
        _: object::StatParams,
        mut results: object::StatResults,
    ) -> Result<(), Error> {
        results.get().set_error(Errno::Success);
        results.get().init_attributes().set_size(self.0.len() as u64);
        Ok(())
    }
}

impl file::Server for Bytes {
    async fn read(
        self: Rc<Self>,
        params: file::ReadParams,
        mut results: file::ReadResults,
    ) -> Result<(), Error> {
        let params = params.get()?;
        let begin = usize::try_from(params.get_offset()).unwrap_or(usize::MAX).min(self.0.len());
        let end = begin.saturating_add(params.get_length() as usize).min(self.0.len());
        let mut results = results.get();
        results.set_error(Errno::Success);
        results.set_data(self.0.get(begin..end).unwrap_or_default());
        Ok(())
    }

    /// Accepts everything, without keeping it.
    async fn write(
        self: Rc<Self>,
        params: file::WriteParams,
        mut results: file::WriteResults,
    ) -> Result<(), Error> {
        let length = params.get()?.get_data()?.len();
        results.get().set_error(Errno::Success);
        results.get().set_written(u32::try_from(length).unwrap_or(u32::MAX).min(MAX_DATA_BYTES));
        Ok(())
    }
}
