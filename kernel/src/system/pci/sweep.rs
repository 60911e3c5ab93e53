//! Unmaps the registers of closed devices in steps, since any mapping of any process may be one. Until that is done, none
//! of these devices is opened again.

use super::Pci;
use crate::{budget::Budget, system::System};

/// Progress of the sweep.
#[derive(Clone, Copy, Default)]
pub(super) struct Sweep {
    /// Index of the current process.
    process: u32,
    /// Position in its address space.
    address: u64,
}

impl Pci {
    /// Starts unmapping the registers of a closed function.
    pub(super) fn begin_sweep(&mut self) {
        self.sweep = Some(Sweep::default());
    }

    /// Completes the sweep.
    fn end_sweep(&mut self) {
        self.sweep = None;
        self.functions.iter_mut().for_each(super::Function::registers_are_back);
    }
}

impl System {
    /// Continues within the budget. `true` when done.
    pub(crate) fn sweep_steps(&mut self, budget: &Budget) -> bool {
        while let Some(Sweep { process, address }) = self.pci.sweep {
            if process >= self.processes.places() {
                self.pci.end_sweep();
                break;
            }
            let record = self.processes.at_mut(process);
            let next =
                record.and_then(|record| record.space.forget_registers_step(&self.objects, address, budget));
            self.pci.sweep = Some(match next {
                Some(address) => Sweep { process, address },
                None => Sweep { process: process + 1, address: 0 },
            });
            if budget.is_spent() {
                return false;
            }
        }
        true
    }
}
