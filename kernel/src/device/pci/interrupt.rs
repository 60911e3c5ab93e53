//! Interrupts that processes wait for.

use super::{InterruptId, Pci};
use crate::{
    arch::{apic::DEVICE_VECTORS, msix::Table},
    kernel::Kernel,
    objects,
};
use capos_kernel_core::ipc::QueueId;

/// After so many that nobody has waited for, an entry is masked until somebody does: a device that fires without end
/// takes its driver's time and nobody else's.
const MOST_UNHEARD: u64 = 64;

/// Why there is no such interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InterruptError {
    /// The device has no such entry.
    Missing,
    /// Somebody has it.
    Taken,
    /// The machine's vectors, or the kernel's memory, are used up.
    OutOfVectors,
}

/// An entry of a device's interrupt table in somebody's hands.
pub struct Interrupt {
    function: u32,
    entry: u64,
    /// Fired since somebody waited.
    count: u64,
    is_masked: bool,
    /// The line that it has while its device is open.
    line: Option<Line>,
}

/// The way from the device to who waits.
#[derive(Clone, Copy)]
struct Line {
    table: Table,
    vector: u8,
    queue: QueueId,
}

impl Interrupt {
    /// Takes the count of firings since the last call, if there were any, and lets more through.
    pub(crate) fn take(&mut self) -> Option<u64> {
        if core::mem::take(&mut self.is_masked)
            && let Some(line) = self.line
        {
            line.table.unmask(self.entry);
        }
        Some(core::mem::take(&mut self.count)).filter(|&count| count > 0)
    }

    /// Where calls wait for it, unless its device was given up.
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
    /// Directs an entry of a function's interrupt table to a new interrupt whose calls wait in `queue`.
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

    /// Silences an interrupt whose device is still open.
    fn silence(&mut self, id: InterruptId) {
        let Some(interrupt) = self.interrupts.get_mut(id) else { return };
        let Some(Line { table, vector, queue }) = interrupt.line.take() else { return };
        table.mask(interrupt.entry);
        if let Some(place) = self.vectors.get_mut(usize::from(vector - DEVICE_VECTORS.start)) {
            *place = None;
        }
        self.dead_queues.push(queue);
    }

    /// A function is being closed: its interrupts come no more, and who waits for them is told.
    pub(super) fn end_interrupts(&mut self, number: u32) {
        for index in 0..VECTORS {
            if let Some(&Some(id)) = self.vectors.get(index)
                && self.interrupts.get(id).is_some_and(|interrupt| interrupt.function == number)
            {
                self.silence(id);
            }
        }
    }

    /// The last capability to an interrupt is gone.
    pub(crate) fn forget_interrupt(&mut self, id: InterruptId) {
        self.silence(id);
        self.interrupts.remove(id);
    }
}

const VECTORS: usize = super::VECTOR_COUNT;

impl Kernel {
    /// Handles an interrupt at one of [`DEVICE_VECTORS`].
    pub(crate) fn device_interrupt(&mut self, vector: u8) {
        let place = usize::from(vector.wrapping_sub(DEVICE_VECTORS.start));
        // A vector that is nobody's was on its way when its holder gave it up.
        let Some(&Some(id)) = self.system.pci.vectors.get(place) else { return };
        if let Some(interrupt) = self.system.pci.interrupts.get_mut(id) {
            interrupt.fire();
        }
        objects::interrupt::fired(self, id);
    }
}
