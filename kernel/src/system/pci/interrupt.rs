//! Interrupts that processes wait for.

use super::{InterruptId, Pci};
use crate::{
    arch::{apic::DEVICE_VECTORS, msix::Table},
    kernel::Kernel,
    objects,
};
use capos_kernel_core::ipc::QueueId;

/// Number of interrupts without a waiter after which an entry is masked: a device that fires continuously then takes
/// only its driver's time.
const MOST_UNHEARD: u64 = 64;

/// The reason why an interrupt is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptError {
    /// The device has no such entry.
    Missing,
    /// It is already in use.
    Taken,
    /// The machine's vectors, or the kernel's memory, are exhausted.
    OutOfVectors,
}

/// An entry of a device's interrupt table that has a holder.
pub struct Interrupt {
    function: u32,
    entry: u64,
    /// Number of interrupts since the last wait.
    count: u64,
    is_masked: bool,
    /// Its route while its device is open.
    line: Option<Line>,
}

/// The route from the device to the waiters.
#[derive(Clone, Copy)]
struct Line {
    table: Table,
    vector: u8,
    queue: QueueId,
}

impl Interrupt {
    /// Takes the number of interrupts since the last call, if any, and unmasks the entry.
    pub(crate) fn take(&mut self) -> Option<u64> {
        if core::mem::take(&mut self.is_masked)
            && let Some(line) = self.line
        {
            line.table.unmask(self.entry);
        }
        Some(core::mem::take(&mut self.count)).filter(|&count| count > 0)
    }

    /// The queue of waiting calls, unless its device was closed.
    pub(crate) fn queue(&self) -> Option<QueueId> {
        self.line.map(|line| line.queue)
    }

    fn fire(&mut self) {
        self.count = self.count.saturating_add(1);
        if self.count >= MOST_UNHEARD
            && let Some(line) = self.line
        {
            self.is_masked = true;
            line.table.mask(self.entry);
        }
    }
}

impl Pci {
    /// Routes an entry of a function's interrupt table to a new interrupt whose calls wait in `queue`.
    ///
    /// # Errors
    /// See [`InterruptError`].
    pub fn create_interrupt(
        &mut self,
        number: u32,
        entry: u16,
        queue: QueueId,
    ) -> Result<InterruptId, InterruptError> {
        let table = self.function(number).and_then(super::Function::interrupt_table);
        let entry = u64::from(entry);
        let table = table.filter(|table| entry < table.entries()).ok_or(InterruptError::Missing)?;
        let is_same =
            |other: &Interrupt| other.function == number && other.entry == entry && other.line.is_some();
        if self.interrupts.iter().any(|(_, other)| is_same(other)) {
            return Err(InterruptError::Taken);
        }
        let place = self.vectors.iter().position(Option::is_none).ok_or(InterruptError::OutOfVectors)?;
        let vector = DEVICE_VECTORS.start + place as u8;
        let room = self.interrupts.len() as usize + 1;
        self.dead_queues.try_reserve(room).map_err(|_| InterruptError::OutOfVectors)?;
        let line = Some(Line { table, vector, queue });
        let interrupt = Interrupt { function: number, entry, count: 0, is_masked: false, line };
        let id = self.interrupts.insert(interrupt).map_err(|_| InterruptError::OutOfVectors)?;
        if let Some(place) = self.vectors.get_mut(place) {
            *place = Some(id);
        }
        table.direct(entry, vector);
        Ok(id)
    }

    /// The interrupt, unless the id is stale.
    pub fn interrupt(&mut self, id: InterruptId) -> Option<&mut Interrupt> {
        self.interrupts.get_mut(id)
    }

    /// Masks an interrupt whose device is still open.
    fn silence(&mut self, id: InterruptId) {
        let Some(interrupt) = self.interrupts.get_mut(id) else { return };
        let Some(Line { table, vector, queue }) = interrupt.line.take() else { return };
        table.mask(interrupt.entry);
        if let Some(place) = self.vectors.get_mut(usize::from(vector - DEVICE_VECTORS.start)) {
            *place = None;
        }
        self.dead_queues.push(queue);
    }

    /// Ends the interrupts of a function that is being closed, and fails their waiters.
    pub(super) fn end_interrupts(&mut self, number: u32) {
        for index in 0..self.vectors.len() {
            if let Some(&Some(id)) = self.vectors.get(index)
                && self.interrupts.get(id).is_some_and(|interrupt| interrupt.function == number)
            {
                self.silence(id);
            }
        }
    }

    /// Frees an interrupt without remaining capabilities.
    pub(crate) fn forget_interrupt(&mut self, id: InterruptId) {
        self.silence(id);
        self.interrupts.remove(id);
    }
}

impl Kernel {
    /// Handles an interrupt that is not one of the kernel's own devices'.
    pub(crate) fn device_interrupt(&mut self, vector: u64) {
        let place = vector.checked_sub(DEVICE_VECTORS.start.into());
        let place = place.and_then(|place| self.system.pci.vectors.get(place as usize));
        // An interrupt without a holder was in flight when its holder released it.
        let Some(&Some(id)) = place else { return };
        if let Some(interrupt) = self.system.pci.interrupts.get_mut(id) {
            interrupt.fire();
        }
        objects::interrupt::fired(self, id);
    }
}
