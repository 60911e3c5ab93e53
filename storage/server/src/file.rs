//! Open files.

use std::rc::Rc;

use capos_schema::file_capnp::file::{
    self, AllocateParams, AllocateResults, AppendParams, AppendResults, ReadParams, ReadResults,
    SetSizeParams, SetSizeResults, WriteParams, WriteResults,
};
use capos_schema::file_capnp::object::{
    self, SetTimesParams, SetTimesResults, StatParams, StatResults, SyncParams, SyncResults,
};
use capos_schema::file_capnp::{MAX_DATA_BYTES, file::read_results};
use capos_volume::{Error, OpenFlags, Result, Volume};

use crate::convert::{answer, set_attributes, set_time};
use crate::shared::OpenInode;
use crate::turns::Changes;

/// Space in a message besides `MAX_DATA_BYTES`.
const SPARE_BYTES: usize = 4096;

/// A file, opened for reading, writing, or both.
pub struct OpenFile {
    held: OpenInode,
    /// `READ`, `WRITE` and `TIMES` from opening.
    flags: OpenFlags,
    /// Whether its attributes are visible.
    visible: bool,
}

impl OpenFile {
    pub(crate) fn new(held: OpenInode, flags: OpenFlags, namespace_reads: bool) -> Self {
        let visible = namespace_reads || flags.intersects(OpenFlags::READ | OpenFlags::WRITE);
        Self { held, flags, visible }
    }

    pub(crate) fn is_visible(&self) -> bool {
        self.visible
    }

    /// Calls `work` with the volume, if the file was opened with one of `flags`.
    #[inline]
    fn with<T>(&self, flags: OpenFlags, work: impl FnOnce(&mut Volume) -> Result<T>) -> Result<T> {
        if !self.flags.intersects(flags) {
            return Err(Error::NotCapable);
        }
        self.held.with(work)
    }

    /// Reads cached data while another operation waits for the device. Returns false if that is not possible.
    fn read_cached(&self, offset: u64, length: u32, results: &mut read_results::Builder<'_>) -> bool {
        let Some(cached) = self.held.cached().filter(|_| self.flags.contains(OpenFlags::READ)) else {
            return false;
        };
        let length = length.min(MAX_DATA_BYTES);
        let Some(count) = cached.readable(self.held.ino, offset, length as usize) else { return false };
        count == 0 || cached.read(self.held.ino, offset, results.reborrow().init_data(count as u32))
    }

    fn read_into(&self, offset: u64, length: u32, results: &mut read_results::Builder<'_>) -> Result<()> {
        let ino = self.held.ino;
        self.with(OpenFlags::READ, |volume| {
            let left = volume.size(ino)?.saturating_sub(offset);
            let length = length.min(MAX_DATA_BYTES).min(u32::try_from(left).unwrap_or(u32::MAX));
            if length == 0 {
                return Ok(());
            }
            let data = results.reborrow().init_data(length);
            match volume.read(ino, offset, data) {
                Ok(count) if count == length as usize => Ok(()),
                Ok(count) => {
                    // Return the data before a bad block, as much as the message has space for.
                    let good = data.get(..count.min(SPARE_BYTES)).map(<[u8]>::to_vec).unwrap_or_default();
                    results.set_data(&good);
                    Ok(())
                }
                Err(error) => {
                    results.reborrow().init_data(0);
                    Err(error)
                }
            }
        })
    }
}

/// The maximum that one message carries.
fn cut(data: &[u8]) -> &[u8] {
    data.get(..MAX_DATA_BYTES as usize).unwrap_or(data)
}

impl file::Server for OpenFile {
    async fn read(self: Rc<Self>, params: ReadParams, mut results: ReadResults) -> capnp::Result<()> {
        let params = params.get()?;
        let mut results = results.get();
        if self.read_cached(params.get_offset(), params.get_length(), &mut results) {
            return Ok(());
        }
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results, self.read_into(params.get_offset(), params.get_length(), &mut results))
    }

    async fn write(self: Rc<Self>, params: WriteParams, mut results: WriteResults) -> capnp::Result<()> {
        let params = params.get()?;
        let (offset, data) = (params.get_offset(), cut(params.get_data()?));
        let _turn = self.held.turn(Changes::File(self.held.ino)).await;
        let mut results = results.get();
        let written = self.with(OpenFlags::WRITE, |volume| volume.write(self.held.ino, offset, data));
        answer!(results, written.map(|count| results.set_written(count as u32)))
    }

    async fn append(self: Rc<Self>, params: AppendParams, mut results: AppendResults) -> capnp::Result<()> {
        let data = cut(params.get()?.get_data()?);
        let _turn = self.held.turn(Changes::File(self.held.ino)).await;
        let mut results = results.get();
        let appended = self.with(OpenFlags::WRITE, |volume| volume.append(self.held.ino, data));
        answer!(
            results,
            appended.map(|(count, end)| {
                results.set_written(count as u32);
                results.set_end(end);
            })
        )
    }

    async fn set_size(
        self: Rc<Self>,
        params: SetSizeParams,
        mut results: SetSizeResults,
    ) -> capnp::Result<()> {
        let size = params.get()?.get_size();
        let _turn = self.held.turn(Changes::File(self.held.ino)).await;
        answer!(results.get(), self.with(OpenFlags::WRITE, |volume| volume.set_size(self.held.ino, size)))
    }

    async fn allocate(
        self: Rc<Self>,
        params: AllocateParams,
        mut results: AllocateResults,
    ) -> capnp::Result<()> {
        let (offset, length) = (params.get()?.get_offset(), params.get()?.get_length());
        let _turn = self.held.turn(Changes::File(self.held.ino)).await;
        answer!(
            results.get(),
            self.with(OpenFlags::WRITE, |volume| volume.allocate(self.held.ino, offset, length))
        )
    }
}

impl object::Server for OpenFile {
    async fn stat(self: Rc<Self>, _: StatParams, mut results: StatResults) -> capnp::Result<()> {
        let _turn = self.held.turn(Changes::Nothing).await;
        let mut results = results.get();
        let found = if self.visible {
            self.held.with(|volume| volume.stat(self.held.ino))
        } else {
            Err(Error::NotCapable)
        };
        answer!(results, found.map(|found| set_attributes(results.reborrow().init_attributes(), &found)))
    }

    async fn set_times(
        self: Rc<Self>,
        params: SetTimesParams,
        mut results: SetTimesResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let (accessed, modified) = (set_time(params.get_accessed()?)?, set_time(params.get_modified()?)?);
        let _turn = self.held.turn(Changes::Nothing).await;
        let set = self.with(OpenFlags::WRITE | OpenFlags::TIMES, |volume| {
            volume.set_times(self.held.ino, accessed, modified)
        });
        answer!(results.get(), set)
    }

    async fn sync(self: Rc<Self>, _: SyncParams, mut results: SyncResults) -> capnp::Result<()> {
        let _turn = self.held.turn(Changes::Nothing).await;
        answer!(results.get(), self.held.with(Volume::sync))
    }
}
