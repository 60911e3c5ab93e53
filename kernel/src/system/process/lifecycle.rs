//! How processes end.

use super::{ExitCause, FaultCause, ProcessId, UsedUp};
use crate::{klog, mm::ObjectId, system::System};

impl System {
    /// Ends a process: none of its threads runs any more, and the current thread releases its resources. Does nothing if
    /// it has already ended.
    pub fn end_process(&mut self, id: ProcessId, cause: ExitCause) {
        let Some(process) = self.processes.live(id) else { return };
        process.end = Some(cause);
        match cause {
            ExitCause::Exited(0) => {}
            ExitCause::Exited(status) => klog!("process {}: exited with status {status}", process.name),
            ExitCause::Killed => klog!("process {}: killed", process.name),
            ExitCause::Fault(fault) => log_fault(&process.name, "fault", fault),
            ExitCause::OutOfMemory(fault, UsedUp::Budget) => {
                log_fault(&process.name, "out of memory", fault);
            }
            ExitCause::OutOfMemory(fault, UsedUp::Machine) => {
                log_fault(&process.name, "the machine is out of memory", fault);
            }
        }
        self.begin_teardown(id);
    }

    /// Notes that the last capability for an object is gone.
    pub fn drop_object(&mut self, object: ObjectId) {
        self.ending_objects(|system| system.objects.drop_reference(object));
    }

    /// Makes a change that may end memory objects, and frees these, or leaves that to the current thread.
    pub(crate) fn ending_objects<R>(&mut self, change: impl FnOnce(&mut Self) -> R) -> R {
        let place = self.objects.ended_count();
        let result = change(self);
        let count = self.objects.ended_count() - place;
        match self.current_thread() {
            _ if count == 0 => {}
            Some(current) if count > 1 || self.objects.last_ended_is_large() => {
                self.frees_above(current, place);
            }
            // Most objects are small and freed at once.
            _ => {
                while self.objects.ended_count() > place {
                    self.free_objects_step();
                }
            }
        }
        result
    }

    /// Frees a part of the memory object that ended last.
    pub(in crate::system) fn free_objects_step(&mut self) {
        let Some(freed) = self.objects.free_step() else { return };
        match freed.dma {
            Some(_) => self.release_dma(&freed),
            None => self.processes.refund(freed.owner, freed.pages),
        }
    }

    /// Notes that there is no capability for the process any more. The process continues to run.
    pub fn process_unreferenced(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.held = false;
        self.processes.free_if_done(id);
    }
}

fn log_fault(name: &str, what: &str, fault: FaultCause) {
    let FaultCause { vector, error_code, address, instruction_pointer } = fault;
    klog!(
        "process {name}: {what}: exception {vector} ({}), error code {error_code:#x}, address {address:#x}, \
         rip {instruction_pointer:#x}",
        exception_name(vector)
    );
}

/// The processor manual's short name of an exception.
fn exception_name(vector: u8) -> &'static str {
    match vector {
        0 => "#DE",
        1 => "#DB",
        3 => "#BP",
        4 => "#OF",
        5 => "#BR",
        6 => "#UD",
        7 => "#NM",
        11 => "#NP",
        12 => "#SS",
        13 => "#GP",
        14 => "#PF",
        16 => "#MF",
        17 => "#AC",
        19 => "#XM",
        _ => "?",
    }
}
