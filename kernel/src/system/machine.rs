//! The memory and thread operations that calls need.

use super::System;
use crate::mm;
use capos_abi::{CapDescriptor, CompletionEntry};
use capos_kernel_core::{
    arena::Id,
    caps::ObjectKind,
    ipc::{CopyFault, Machine, Place, QueueId},
};

const DESCRIPTOR_BYTES: usize = size_of::<CapDescriptor>();
const DESCRIPTORS_AT_ONCE: usize = 4;

impl System {
    /// Copies a range that may cross pages, or that cannot be copied at once.
    #[cold]
    fn copy_across_pages(&mut self, from: Place, to: Place, length: usize) -> Result<(), CopyFault> {
        let (source, target) = if from.process == to.process {
            (self.processes.at_mut(from.process).ok_or(CopyFault::Source)?, None)
        } else {
            let pair = self.processes.pair_at_mut(from.process, to.process);
            let (source, target) = pair.ok_or(CopyFault::Source)?;
            (source, Some(&mut target.space))
        };
        source.space.copy_across(&mut self.objects, from.address, target, to.address, length)
    }
}

impl Machine for System {
    #[inline(always)]
    fn copy(&mut self, from: Place, to: Place, length: u32) -> Result<(), CopyFault> {
        let length = length as usize;
        // Fast path: short messages are within one page on both sides, and those pages were used recently.
        if let Some(source) = self.processes.at(from.process)
            && let Some(target) = self.processes.at(to.process)
            && mm::copy_recent(&source.space, from.address, &target.space, to.address, length)
        {
            return Ok(());
        }
        self.copy_across_pages(from, to, length)
    }

    #[inline]
    fn write(&mut self, to: Place, bytes: &[u8]) -> Result<(), CopyFault> {
        self.copy_out(to.process, to.address, bytes).map_err(|_| CopyFault::Destination)
    }

    fn read_descriptors(&mut self, from: Place, into: &mut [CapDescriptor]) -> Result<(), CopyFault> {
        let mut address = from.address;
        // A few at a time: a buffer for the longest list would have to be cleared for every short one.
        for part in into.chunks_mut(DESCRIPTORS_AT_ONCE) {
            let mut buffer = [0; DESCRIPTORS_AT_ONCE * DESCRIPTOR_BYTES];
            let bytes = buffer.get_mut(..size_of_val(part)).ok_or(CopyFault::Source)?;
            self.copy_in(from.process, address, bytes).map_err(|_| CopyFault::Source)?;
            address = address.checked_add(bytes.len() as u64).ok_or(CopyFault::Source)?;
            for (descriptor, bytes) in part.iter_mut().zip(bytes.as_chunks::<DESCRIPTOR_BYTES>().0) {
                let [h0, h1, h2, h3, h4, h5, h6, h7, b0, b1, b2, b3, b4, b5, b6, b7, rest @ ..] = *bytes;
                let [r0, r1, r2, r3, m0, m1, m2, m3] = rest;
                *descriptor = CapDescriptor {
                    handle: u64::from_le_bytes([h0, h1, h2, h3, h4, h5, h6, h7]),
                    badge: u64::from_le_bytes([b0, b1, b2, b3, b4, b5, b6, b7]),
                    rights: u32::from_le_bytes([r0, r1, r2, r3]),
                    mode: u32::from_le_bytes([m0, m1, m2, m3]),
                };
            }
        }
        Ok(())
    }

    fn write_handles(&mut self, to: Place, handles: &[u64]) -> Result<(), CopyFault> {
        for (position, handle) in handles.iter().enumerate() {
            let address = to.address.checked_add(position as u64 * 8).ok_or(CopyFault::Destination)?;
            self.write(Place { address, ..to }, &handle.to_le_bytes())?;
        }
        Ok(())
    }

    #[inline(always)]
    fn complete(&mut self, thread: u32, entry: &CompletionEntry) {
        if let Some((id, priority)) = self.threads.post(thread, entry) {
            self.make_ready(id, priority);
        }
    }

    fn object_lost(&mut self, kind: ObjectKind, payload: u64) {
        match kind {
            ObjectKind::MemoryObject => self.drop_object(Id::unpack(payload)),
            // The payload is the function's number.
            ObjectKind::PciDevice => self.close_pci_function(payload as u32),
            ObjectKind::Interrupt => self.pci.forget_interrupt(Id::unpack(payload)),
            ObjectKind::Process => self.process_unreferenced(Id::unpack(payload)),
            _ => {}
        }
    }

    fn take_dead_queue(&mut self) -> Option<QueueId> {
        self.pci.take_dead_queue()
    }
}
