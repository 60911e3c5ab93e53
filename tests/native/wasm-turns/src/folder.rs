//! A folder of one file, for modules longer than a message.

use capnp::Error;
use capos_rt::schema::{
    errno_capnp::Errno,
    file_capnp::{file, namespace, object},
};
use std::rc::Rc;

/// Serves a folder in which every path refers to a file with this content.
pub(crate) fn folder_of(bytes: Vec<u8>) -> namespace::Client {
    capos_rt::serve(Folder(Rc::new(Bytes(bytes))))
}

struct Folder(Rc<Bytes>);

impl object::Server for Folder {}

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
}

struct Bytes(Vec<u8>);

impl object::Server for Bytes {}

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
}
