//! DMA memory, in steps: contiguous frames are searched for, taken, and zeroed. The requesting thread carries the work.

use super::{Failure, give, message::results_with_cap, pci_device::DATA, reply_later};
use crate::{
    budget::Budget,
    kernel::Kernel,
    mm::{ObjectId, frames, frames::Frame},
    system::{pci::DmaError, process::ProcessId, thread::Job},
};
use capos_kernel_core::{
    caps::ObjectKind,
    frames::{RunSearch, Searched},
    ipc::Caller,
};
use capos_schema::{device_capnp::pci_device, memory_capnp::memory_object};

/// Pages zeroed at a time.
const ZEROED_AT_ONCE: u64 = 8;

/// The progress of an allocation of DMA memory.
pub(crate) struct Allocation {
    caller: Caller,
    /// The device's number.
    device: u32,
    /// The process that is charged.
    owner: ProcessId,
    stage: Stage,
}

enum Stage {
    /// No frames are taken yet.
    Search(RunSearch),
    /// The frames belong to the object, to which there is no capability yet.
    Zero { first: Frame, object: ObjectId, done: u64, pages: u64 },
}

/// Starts a search by the calling thread for `pages` frames for a device, charged to `owner`.
pub(super) fn begin(
    kernel: &mut Kernel,
    caller: Caller,
    device: u32,
    owner: ProcessId,
    pages: u64,
) -> Result<(), Failure> {
    kernel.system.function(device).ok_or(Failure::ENDED)?.0.check_room(pages)?;
    let stage = Stage::Search(RunSearch::new(pages));
    kernel.system.give_current(Job::Dma(Allocation { caller, device, owner, stage }));
    Ok(())
}

/// Continues within the budget, and answers at the end. Returns the remaining work.
pub(crate) fn go_on(kernel: &mut Kernel, mut rest: Allocation, budget: &Budget) -> Option<Allocation> {
    let outcome = loop {
        match rest.step(kernel) {
            Ok(None) if budget.is_spent() => return Some(rest),
            Ok(None) => {}
            Ok(Some((first, object))) => break Ok((first, object)),
            Err(failure) => break Err(failure),
        }
    };
    reply_later(kernel, &rest.caller, |kernel, buffer| {
        let (first, object) = outcome?;
        let handle = give(kernel, rest.caller.process, ObjectKind::MemoryObject, object.pack(), DATA)?;
        type Results = pci_device::allocate_dma_results::Owned;
        results_with_cap::<Results, memory_object::Client>(buffer, handle, |results, memory| {
            results.set_memory(memory);
            results.set_address(first.address().as_u64());
        })
    });
    None
}

impl Allocation {
    /// Searches a part of memory, or zeroes some pages. Returns the first frame and the object when done.
    fn step(&mut self, kernel: &mut Kernel) -> Result<Option<(Frame, ObjectId)>, Failure> {
        match &mut self.stage {
            Stage::Search(search) => {
                let pages = search.count();
                match frames::search_step(search) {
                    Searched::More => {}
                    Searched::Nothing => return Err(DmaError::OutOfMemory.into()),
                    Searched::Taken(first) => {
                        let first = Frame::numbered(first).ok_or(Failure::OUT_OF_MEMORY)?;
                        let object = kernel.system.lend_dma(self.device, self.owner, first, pages)?;
                        self.stage = Stage::Zero { first, object, done: 0, pages };
                    }
                }
                Ok(None)
            }
            Stage::Zero { first, object, done, pages } => {
                let end = (*done + ZEROED_AT_ONCE).min(*pages);
                (*done..end).for_each(|page| first.plus(page).zero());
                *done = end;
                Ok((end == *pages).then_some((*first, *object)))
            }
        }
    }

    /// Frees the allocation when it is not needed any more.
    pub(crate) fn abandon(self, kernel: &mut Kernel) {
        if let Stage::Zero { object, .. } = self.stage {
            kernel.system.drop_object(object);
        }
    }
}
