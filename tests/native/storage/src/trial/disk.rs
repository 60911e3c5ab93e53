//! A disk in memory that behaves as directed, including misbehaviour.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use capos_rt::SharedMemory;
use capos_schema::block_capnp::block_device::{
    self, FlushParams, FlushResults, InfoParams, InfoResults, ReadParams, ReadResults, TransferBufferParams,
    TransferBufferResults, WriteParams, WriteResults,
};
use capos_schema::errno_capnp::Errno;
use capos_schema::memory_capnp::memory_object;
use capos_volume::{BlockDevice, FormatOptions, MemDevice, SECTOR, Volume};

pub(crate) const DISK_BYTES: u64 = 8 << 20;
const BUFFER_BYTES: usize = 256 << 10;

/// The properties that a disk reports.
#[derive(Clone, Copy)]
pub(crate) struct Claims {
    pub(crate) error: Errno,
    pub(crate) sector_bytes: u32,
    pub(crate) sectors: u64,
    pub(crate) read_only: bool,
    pub(crate) buffer_bytes: u64,
    pub(crate) has_buffer: bool,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            error: Errno::Success,
            sector_bytes: SECTOR as u32,
            sectors: DISK_BYTES / SECTOR as u64,
            read_only: false,
            buffer_bytes: BUFFER_BYTES as u64,
            has_buffer: true,
        }
    }
}

/// The behaviour of a disk.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Sound,
    /// Writes and flushes fail.
    NoWrites(Errno),
    /// Only flushes fail.
    NoFlushes,
    /// Reads fail.
    NoReads,
    /// Reads return wrong data without an error.
    Rotten,
    /// Every call is an exception.
    Mad,
    /// Reads, writes and flushes wait for [`Disk::resume`].
    Stopped,
}

/// The content of the disk, and its behaviour. Survives the process that used it.
pub(crate) struct Disk {
    pub(crate) content: Arc<MemDevice>,
    pub(crate) mood: Cell<Mood>,
    pub(crate) flushes: Cell<u64>,
    /// Waiting requests, and tests that wait for one.
    stopped: RefCell<Vec<Waker>>,
    watching: RefCell<Vec<Waker>>,
    claims: Claims,
    buffer: SharedMemory,
    object: memory_object::Client,
}

impl Disk {
    /// A disk with nothing on it.
    pub(crate) async fn blank(claims: Claims) -> capnp::Result<Rc<Self>> {
        let mut request = capos_rt::virtual_memory().create_object_request();
        request.get().set_length(BUFFER_BYTES as u64);
        let object = request.send().promise.await?.get()?.get_object()?;
        let buffer = SharedMemory::map(object.clone(), BUFFER_BYTES as u64).await?;
        let content = Arc::new(MemDevice::new(DISK_BYTES));
        let (mood, flushes) = (Cell::default(), Cell::default());
        let (stopped, watching) = (RefCell::default(), RefCell::default());
        Ok(Rc::new(Self { content, mood, flushes, stopped, watching, claims, buffer, object }))
    }

    /// A disk with an empty volume.
    pub(crate) async fn with_volume(claims: Claims) -> capnp::Result<Rc<Self>> {
        let disk = Self::blank(claims).await?;
        let device: Arc<dyn BlockDevice> = disk.content.clone();
        Volume::format(&device, FormatOptions { id: 7, meta_bytes: None }, 0).map_err(failed)?;
        Ok(disk)
    }

    /// The range of the disk and offset of the buffer for one request, or the error.
    fn place(&self, sector: u64, sectors: u32, offset: u64) -> Result<(u64, usize, Vec<u8>), Errno> {
        let length = sectors as usize * SECTOR;
        let offset = usize::try_from(offset).map_err(|_| Errno::Invalid)?;
        let fits = offset.checked_add(length).is_some_and(|end| end <= BUFFER_BYTES);
        if length == 0 || !fits {
            return Err(Errno::Invalid);
        }
        Ok((sector.checked_mul(SECTOR as u64).ok_or(Errno::Invalid)?, offset, vec![0; length]))
    }

    fn load(&self, sector: u64, sectors: u32, offset: u64) -> Result<(), Errno> {
        let (at, offset, mut bytes) = self.place(sector, sectors, offset)?;
        self.content.read_at(at, &mut bytes).map_err(|_| Errno::Invalid)?;
        if self.mood.get() == Mood::Rotten {
            bytes.iter_mut().step_by(100).for_each(|byte| *byte ^= 0x10);
        }
        self.buffer.write(offset, &bytes).map_err(|_| Errno::Invalid)
    }

    fn store(&self, sector: u64, sectors: u32, offset: u64) -> Result<(), Errno> {
        let (at, offset, mut bytes) = self.place(sector, sectors, offset)?;
        self.buffer.read(offset, &mut bytes).map_err(|_| Errno::Invalid)?;
        self.content.write_at(at, &bytes).map_err(|_| Errno::Invalid)
    }

    /// Resumes after [`Mood::Stopped`].
    pub(crate) fn resume(&self) {
        self.mood.set(Mood::Sound);
        self.stopped.take().into_iter().for_each(Waker::wake);
    }

    /// Waits for a request to a stopped disk.
    pub(crate) async fn reached(&self) {
        poll_fn(|context| {
            if !self.stopped.borrow().is_empty() {
                return Poll::Ready(());
            }
            self.watching.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    async fn go_on(&self) {
        poll_fn(|context| {
            if self.mood.get() != Mood::Stopped {
                return Poll::Ready(());
            }
            self.stopped.borrow_mut().push(context.waker().clone());
            self.watching.take().into_iter().for_each(Waker::wake);
            Poll::Pending
        })
        .await;
    }

    fn check_mad(&self) -> capnp::Result<()> {
        if self.mood.get() == Mood::Mad { Err(capnp::Error::failed("I will not".into())) } else { Ok(()) }
    }
}

pub(crate) fn failed(error: impl std::fmt::Display) -> capnp::Error {
    capnp::Error::failed(error.to_string())
}

fn errno(outcome: Result<(), Errno>) -> Errno {
    outcome.err().unwrap_or(Errno::Success)
}

impl block_device::Server for Disk {
    async fn info(self: Rc<Self>, _: InfoParams, mut results: InfoResults) -> capnp::Result<()> {
        self.check_mad()?;
        let mut info = results.get();
        info.set_error(self.claims.error);
        info.set_sector_bytes(self.claims.sector_bytes);
        info.set_sectors(self.claims.sectors);
        info.set_read_only(self.claims.read_only);
        Ok(())
    }

    async fn transfer_buffer(
        self: Rc<Self>,
        _: TransferBufferParams,
        mut results: TransferBufferResults,
    ) -> capnp::Result<()> {
        self.check_mad()?;
        if self.claims.has_buffer {
            results.get().set_memory(self.object.clone());
        }
        results.get().set_bytes(self.claims.buffer_bytes);
        Ok(())
    }

    async fn read(self: Rc<Self>, params: ReadParams, mut results: ReadResults) -> capnp::Result<()> {
        self.check_mad()?;
        self.go_on().await;
        let params = params.get()?;
        let outcome = match self.mood.get() {
            Mood::NoReads => Err(Errno::Io),
            _ => self.load(params.get_sector(), params.get_sectors(), params.get_buffer_offset()),
        };
        results.get().set_error(errno(outcome));
        Ok(())
    }

    async fn write(self: Rc<Self>, params: WriteParams, mut results: WriteResults) -> capnp::Result<()> {
        self.check_mad()?;
        self.go_on().await;
        let params = params.get()?;
        let outcome = match self.mood.get() {
            Mood::NoWrites(error) => Err(error),
            _ => self.store(params.get_sector(), params.get_sectors(), params.get_buffer_offset()),
        };
        results.get().set_error(errno(outcome));
        Ok(())
    }

    async fn flush(self: Rc<Self>, _: FlushParams, mut results: FlushResults) -> capnp::Result<()> {
        self.check_mad()?;
        self.go_on().await;
        self.flushes.set(self.flushes.get() + 1);
        results.get().set_error(match self.mood.get() {
            Mood::NoFlushes => Errno::Io,
            Mood::NoWrites(error) => error,
            _ => Errno::Success,
        });
        Ok(())
    }
}
