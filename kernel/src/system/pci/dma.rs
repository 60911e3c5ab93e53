//! DMA memory of devices.

use super::Function;
use crate::{
    mm::{
        Freed, ObjectId,
        frames::{self, FRAME_BYTES, Frame},
    },
    system::{System, process::ProcessId},
};
use alloc::vec::Vec;

/// Maximum number of allocations of one device, including those held back.
const MAX_PIECES: usize = 64;
/// Maximum pages in one allocation: 16 MiB.
const MAX_PIECE_PAGES: u64 = 4096;
/// Maximum pages of one device: 64 MiB.
const MAX_PAGES: u64 = 16384;

/// The reason why DMA memory is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaError {
    /// The length is zero or exceeds the maximum.
    BadLength,
    /// The device has reached its limit, possibly because earlier drivers' memory is held back.
    TooMuch,
    /// There are not that many contiguous free frames.
    OutOfMemory,
    /// The process cannot pay for the frames.
    Unpaid,
    /// The kernel's memory is exhausted.
    NoRecord,
}

/// Contiguous frames.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The first frame.
    pub first: Frame,
    /// The number of frames.
    pub pages: u64,
    /// The process that is charged for them.
    pub owner: Option<ProcessId>,
}

/// The DMA memory of a device.
pub(super) struct Dma {
    /// Released allocations that the device may still access. Has capacity for all allocations.
    held: Vec<Piece>,
    lent_pieces: usize,
    lent_pages: u64,
    /// Whether it has been a bus master since it was last quiesced.
    may_touch: bool,
}

impl Dma {
    pub(super) const fn new() -> Self {
        Self { held: Vec::new(), lent_pieces: 0, lent_pages: 0, may_touch: false }
    }

    pub(super) fn note_master(&mut self) {
        self.may_touch = true;
    }

    pub(super) fn held_frames(&self) -> u64 {
        self.held.iter().map(|piece| piece.pages).sum()
    }
}

impl System {
    /// Turns free frames into an object charged to `owner` and the device. On an error they are free again.
    ///
    /// # Errors
    /// See [`DmaError`].
    pub(crate) fn lend_dma(
        &mut self,
        device: u32,
        owner: ProcessId,
        first: Frame,
        pages: u64,
    ) -> Result<ObjectId, DmaError> {
        let lent = match self.pci.function(device) {
            Some(function) if self.processes.charge(owner, pages) => {
                function.lend(pages).inspect_err(|_| self.processes.refund(Some(owner), pages))
            }
            _ => Err(DmaError::Unpaid),
        };
        lent.inspect_err(|_| frames::release_run(first, pages))?;
        self.objects.wrap_dma(first, pages, owner, device).map_err(|_| {
            // The device was never given the memory, but the allocation counts until it is returned.
            self.release_dma(&Freed { owner: Some(owner), pages, dma: Some((first, device)) });
            DmaError::NoRecord
        })
    }
}

impl Function {
    /// The pages of an allocation of `length` bytes.
    ///
    /// # Errors
    /// [`DmaError::BadLength`].
    pub fn piece_pages(length: u64) -> Result<u64, DmaError> {
        let pages = length / FRAME_BYTES as u64;
        let is_piece = length.is_multiple_of(FRAME_BYTES as u64) && (1..=MAX_PIECE_PAGES).contains(&pages);
        if is_piece { Ok(pages) } else { Err(DmaError::BadLength) }
    }

    /// Checks that another allocation of this many pages is within the limits.
    ///
    /// # Errors
    /// See [`DmaError`].
    pub fn check_room(&self, pages: u64) -> Result<(), DmaError> {
        let pieces = self.dma.held.len() + self.dma.lent_pieces;
        let is_too_much =
            pieces >= MAX_PIECES || self.dma.held_frames() + self.dma.lent_pages + pages > MAX_PAGES;
        if is_too_much { Err(DmaError::TooMuch) } else { Ok(()) }
    }

    /// Records an allocation of this many pages, which [`System::release_dma`] returns.
    ///
    /// # Errors
    /// See [`DmaError`].
    fn lend(&mut self, pages: u64) -> Result<(), DmaError> {
        self.check_room(pages)?;
        // Returning allocations must not fail.
        self.dma.held.try_reserve(self.dma.lent_pieces + 1).map_err(|_| DmaError::OutOfMemory)?;
        self.dma.lent_pieces += 1;
        self.dma.lent_pages += pages;
        Ok(())
    }

    /// Records that `piece` was released. Returns whether the device may still access it: then it is kept
    /// here until [`Self::quiesced`].
    pub(super) fn put_back(&mut self, piece: Piece) -> bool {
        self.dma.lent_pieces = self.dma.lent_pieces.saturating_sub(1);
        self.dma.lent_pages = self.dma.lent_pages.saturating_sub(piece.pages);
        if self.dma.may_touch {
            self.dma.held.push(piece);
        }
        self.dma.may_touch
    }

    /// Records that the device is not a bus master and accesses nothing it was given before. Returns the memory
    /// held back.
    pub fn quiesced(&mut self) -> Vec<Piece> {
        self.dma.may_touch = false;
        core::mem::take(&mut self.dma.held)
    }
}
