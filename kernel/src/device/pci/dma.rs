//! Memory that a device was told of.

use super::Function;
use crate::{
    mm::frames::{FRAME_BYTES, Frame},
    process::ProcessId,
};
use alloc::vec::Vec;

/// The most pieces of one device, those that are held back included.
const MAX_PIECES: usize = 64;
/// The most pages in one piece: 16 MiB.
const MAX_PIECE_PAGES: u64 = 4096;
/// The most pages of one device: 64 MiB.
const MAX_PAGES: u64 = 16384;

/// Why there is no memory for a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DmaError {
    /// It is no length, or too much at once.
    BadLength,
    /// The device has all it may have, perhaps because earlier drivers' memory is held back.
    TooMuch,
    /// There are not that many free frames in one piece.
    OutOfMemory,
}

/// Frames in one piece.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The first.
    pub first: Frame,
    /// How many.
    pub pages: u64,
    /// The process that paid for them.
    pub owner: Option<ProcessId>,
}

/// The memory that a device was told of.
pub(super) struct Dma {
    /// Pieces that nobody has any more, but that the device may still touch. Has room for all that are lent.
    held: Vec<Piece>,
    lent_pieces: usize,
    lent_pages: u64,
    /// It has been a bus master since it was last quiet.
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

impl Function {
    /// The pages of a piece that is `length` bytes long.
    ///
    /// # Errors
    /// [`DmaError::BadLength`].
    pub fn piece_pages(length: u64) -> Result<u64, DmaError> {
        let pages = length / FRAME_BYTES as u64;
        let is_piece = length.is_multiple_of(FRAME_BYTES as u64) && (1..=MAX_PIECE_PAGES).contains(&pages);
        if is_piece { Ok(pages) } else { Err(DmaError::BadLength) }
    }

    /// Makes sure that it may have a piece of so many pages more.
    ///
    /// # Errors
    /// See [`DmaError`].
    pub fn check_room(&self, pages: u64) -> Result<(), DmaError> {
        let pieces = self.dma.held.len() + self.dma.lent_pieces;
        let is_too_much =
            pieces >= MAX_PIECES || self.dma.held_frames() + self.dma.lent_pages + pages > MAX_PAGES;
        if is_too_much { Err(DmaError::TooMuch) } else { Ok(()) }
    }

    /// Notes that somebody gets a piece of so many pages, which [`Kernel::release_dma`](crate::kernel::Kernel::release_dma)
    /// puts back.
    ///
    /// # Errors
    /// See [`DmaError`].
    pub fn lend(&mut self, pages: u64) -> Result<(), DmaError> {
        self.check_room(pages)?;
        // Putting pieces back must not fail.
        self.dma.held.try_reserve(self.dma.lent_pieces + 1).map_err(|_| DmaError::OutOfMemory)?;
        self.dma.lent_pieces += 1;
        self.dma.lent_pages += pages;
        Ok(())
    }

    /// Nobody has `piece` any more. Whether the device may still touch it: then it is kept here until
    /// [`Self::quiesced`].
    pub(super) fn put_back(&mut self, piece: Piece) -> bool {
        self.dma.lent_pieces = self.dma.lent_pieces.saturating_sub(1);
        self.dma.lent_pages = self.dma.lent_pages.saturating_sub(piece.pages);
        if self.dma.may_touch {
            self.dma.held.push(piece);
        }
        self.dma.may_touch
    }

    /// The device touches nothing that it was told of before, and is no bus master. Returns what was held back.
    pub fn quiesced(&mut self) -> Vec<Piece> {
        self.dma.may_touch = false;
        core::mem::take(&mut self.dma.held)
    }
}
