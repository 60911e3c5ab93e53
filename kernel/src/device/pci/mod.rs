//! PCI functions in the hands of processes. Each is open at most once; what it gives out (registers, interrupts) ends
//! with the last capability to it. Memory that it was told of goes back only when it cannot touch it any more.

mod dma;
mod function;
mod interrupt;
mod sweep;

use crate::{arch, kernel::System, klog, mm};
use alloc::vec::Vec;
use capos_kernel_core::{
    OutOfMemory,
    arena::{Arena, Id},
    ipc::QueueId,
    pci::{self, Address},
};

pub use dma::{DmaError, Piece};
pub use function::{Function, OpenError, RegistersRefused};
pub use interrupt::{Interrupt, InterruptError};

/// Names an interrupt that a process holds.
pub type InterruptId = Id<Interrupt>;

const VECTOR_COUNT: usize = (arch::apic::DEVICE_VECTORS.end - arch::apic::DEVICE_VECTORS.start) as usize;

/// Every PCI function, and every interrupt that one of them sends to a process.
pub struct Pci {
    /// In the order of their addresses.
    functions: Vec<Function>,
    interrupts: Arena<Interrupt>,
    /// Whose each vector is.
    vectors: [Option<InterruptId>; VECTOR_COUNT],
    /// While registers of devices that were given up are taken away.
    sweep: Option<sweep::Sweep>,
    /// Queues of interrupts that ended. Has room for all of them.
    dead_queues: Vec<QueueId>,
}

impl Pci {
    /// Nothing known yet; [`Kernel::init_pci`] follows.
    pub(crate) const fn new() -> Self {
        Self {
            functions: Vec::new(),
            interrupts: Arena::new(VECTOR_COUNT as u32 * 2),
            vectors: [None; VECTOR_COUNT],
            sweep: None,
            dead_queues: Vec::new(),
        }
    }

    /// Looks for the functions, before any process runs: it takes a time that depends on the machine.
    fn search(&mut self) -> Result<(), OutOfMemory> {
        let found = pci::enumerate(arch::pci::read)?;
        self.functions.try_reserve_exact(found.len())?;
        self.functions.extend(found.into_iter().map(Function::new));
        Ok(())
    }

    /// Every function.
    pub fn functions(&self) -> &[Function] {
        &self.functions
    }

    /// The function with this number.
    pub fn function(&mut self, number: u32) -> Option<&mut Function> {
        self.functions.get_mut(number as usize)
    }

    /// Opens the function at `address`; returns its number.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&mut self, address: Address) -> Result<u32, OpenError> {
        let number = self.functions.iter().position(|function| function.identity().address == address);
        let number = number.ok_or(OpenError::Missing)?;
        self.functions.get_mut(number).ok_or(OpenError::Missing)?.open()?;
        Ok(number as u32)
    }

    /// Frames that devices may still touch though nobody has them any more.
    pub fn held_frames(&self) -> u64 {
        self.functions.iter().map(Function::held_frames).sum()
    }

    pub(crate) fn take_dead_queue(&mut self) -> Option<QueueId> {
        self.dead_queues.pop()
    }
}

impl System {
    /// Looks for PCI functions. On a machine with too little memory for that there are none.
    pub(crate) fn init_pci(&mut self) {
        if self.pci.search().is_err() {
            klog!("pci: there is no memory for the search, so no device can be driven");
        }
    }

    /// The last capability to a function is gone. What maps its registers loses them in steps; whoever caused this does that
    /// before anything else.
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

    /// Memory that a device knows of has lost its last reference.
    pub(crate) fn release_dma(&mut self, freed: &mm::Freed) {
        let Some((first, device)) = freed.dma else { return };
        let piece = Piece { first, pages: freed.pages, owner: freed.owner };
        if !self.pci.function(device).is_some_and(|function| function.put_back(piece)) {
            self.free_piece(piece);
        }
    }

    /// Gives memory back that no device touches any more.
    pub(crate) fn free_piece(&mut self, piece: Piece) {
        mm::frames::release_run(piece.first, piece.pages);
        if let Some(process) = piece.owner.and_then(|owner| self.processes.get_mut(owner)) {
            process.space.budget.refund(piece.pages);
        }
    }
}
