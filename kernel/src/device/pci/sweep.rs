//! Taking the registers of devices that were given up away from whoever maps them, in steps: every mapping of every process
//! may be one. Until that is done, none of these devices is opened again.

use super::Pci;
use crate::{kernel::System, work::Budget};

/// How far it has come.
#[derive(Clone, Copy, Default)]
pub(super) struct Sweep {
    /// The process, by its place.
    process: u32,
    /// Where in its address space.
    address: u64,
}

impl Pci {
    /// The registers of a function are gone.
    pub(super) fn begin_sweep(&mut self) {
        self.sweep = Some(Sweep::default());
    }

    /// All are taken away.
    fn end_sweep(&mut self) {
        self.sweep = None;
        self.functions.iter_mut().for_each(super::Function::registers_are_back);
    }
}

impl System {
    /// Takes registers away as far as the budget goes. `true` when all are.
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
