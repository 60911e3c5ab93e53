//! PCI functions driven by processes. Each is open at most once; its registers and interrupts end with the last
//! capability to it. DMA memory is freed only when the device can no longer access it.

mod dma;
mod function;
mod interrupt;
mod sweep;

use super::System;
use crate::{
    arch,
    mm::{self, MemoryObjects},
};
use alloc::vec::Vec;
use capos_kernel_core::{
    arena::{Arena, Id},
    ipc::QueueId,
    pci::{self, Address},
};

pub use dma::{DmaError, Piece};
pub use function::{Function, OpenError, RegistersRefused};
pub use interrupt::{Interrupt, InterruptError};

/// Identifies an interrupt held by a process.
pub type InterruptId = Id<Interrupt>;

const VECTOR_COUNT: usize = (arch::apic::DEVICE_VECTORS.end - arch::apic::DEVICE_VECTORS.start) as usize;

/// The most functions that can have been opened.
const MAX_FUNCTIONS: usize = 64;

/// PCI functions, and every interrupt routed to a process.
pub struct Pci {
    /// Those that were opened at least once.
    functions: Vec<Function>,
    interrupts: Arena<Interrupt>,
    /// The interrupt of each vector.
    vectors: [Option<InterruptId>; VECTOR_COUNT],
    /// Present while registers of closed devices are being unmapped.
    sweep: Option<sweep::Sweep>,
    /// Queues of ended interrupts. Has capacity for all of them.
    dead_queues: Vec<QueueId>,
}

impl Pci {
    pub(super) const fn new() -> Self {
        Self {
            functions: Vec::new(),
            interrupts: Arena::new(VECTOR_COUNT as u32 * 2),
            vectors: [None; VECTOR_COUNT],
            sweep: None,
            dead_queues: Vec::new(),
        }
    }

    /// The function with this number.
    fn function(&mut self, number: u32) -> Option<&mut Function> {
        self.functions.get_mut(number as usize)
    }

    /// Opens the function at `address`; returns its number.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&mut self, address: Address) -> Result<u32, OpenError> {
        let known = self.functions.iter().position(|function| function.address() == address);
        let number = known.unwrap_or(self.functions.len());
        if known.is_none() {
            if !pci::is_drivable(address, arch::pci::read) {
                return Err(OpenError::Missing);
            }
            if number >= MAX_FUNCTIONS || self.functions.try_reserve(1).is_err() {
                return Err(OpenError::OutOfMemory);
            }
            self.functions.push(Function::new(address));
        }
        self.functions.get_mut(number).ok_or(OpenError::Missing)?.open()?;
        Ok(number as u32)
    }

    /// Frames held back because devices may still access them.
    pub fn held_frames(&self) -> u64 {
        self.functions.iter().map(Function::held_frames).sum()
    }

    pub(crate) fn take_dead_queue(&mut self) -> Option<QueueId> {
        self.dead_queues.pop()
    }
}

impl System {
    /// The PCI function with this number, and memory objects.
    pub(crate) fn function(&mut self, number: u32) -> Option<(&mut Function, &mut MemoryObjects)> {
        Some((self.pci.function(number)?, &mut self.objects))
    }

    /// Closes a function after its last capability is gone. Its registers are unmapped in steps, which the thread that
    /// caused this does before anything else.
    pub(crate) fn close_pci_function(&mut self, number: u32) {
        self.pci.end_interrupts(number);
        let Some(function) = self.pci.function(number) else { return };
        let mut are_mapped = false;
        for object in function.close() {
            are_mapped |= self.objects.take_registers(object);
        }
        if !are_mapped {
            return;
        }
        if let Some(function) = self.pci.function(number) {
            function.await_registers();
        }
        self.pci.begin_sweep();
        if let Some(current) = self.current_thread() {
            self.clear_up(current);
        }
    }

    /// Frees DMA memory after its last reference is gone.
    pub(super) fn release_dma(&mut self, freed: &mm::Freed) {
        let Some((first, device)) = freed.dma else { return };
        let piece = Piece { first, pages: freed.pages, owner: freed.owner };
        if !self.pci.function(device).is_some_and(|function| function.put_back(piece)) {
            self.free_piece(piece);
        }
    }

    /// Frees memory that no device accesses any more.
    pub(crate) fn free_piece(&mut self, piece: Piece) {
        mm::frames::release_run(piece.first, piece.pages);
        self.processes.refund(piece.owner, piece.pages);
    }
}
