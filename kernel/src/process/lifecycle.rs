//! How processes end.

use super::{ExitCause, FaultCause, ProcessId};
use crate::{kernel::Kernel, klog, mm::AddressSpace};

impl Kernel {
    /// Ends a process: its threads, its capabilities, its memory. Does nothing if it has ended before.
    pub fn end_process(&mut self, id: ProcessId, cause: ExitCause) {
        let Some(process) = self.processes.get_mut(id) else { return };
        if process.end.is_some() {
            return;
        }
        process.end = Some(cause);
        match cause {
            ExitCause::Exited(0) => {}
            ExitCause::Exited(status) => klog!("process {}: exited with status {status}", process.name),
            ExitCause::Killed => klog!("process {}: killed", process.name),
            ExitCause::Fault(fault) => log_fault(&process.name, "fault", fault),
            ExitCause::OutOfMemory(fault) => log_fault(&process.name, "out of memory", fault),
        }
        while let Some(thread) = self.processes.get(id).and_then(|process| process.threads().next()) {
            self.remove_thread(thread);
        }
        self.close_process_calls(id);
        self.forget_address_space(id);
        let Some(process) = self.processes.get_mut(id) else { return };
        process.futex_waiters.clear();
        process.closed = true;
        let space = core::mem::replace(&mut process.space, AddressSpace::ended());
        for (object, _) in space.destroy(&mut self.objects) {
            self.drop_object(object);
        }
        crate::objects::process::ended(self, id);
        if Some(id) == self.init {
            crate::boot::init_ended(cause);
        }
        if let Some(process) = self.processes.get(id)
            && !process.held
        {
            self.processes.remove(id);
        }
    }

    /// Notes that a capability or mapping of an object is gone.
    pub fn drop_object(&mut self, object: crate::mm::ObjectId) {
        let Some(freed) = self.objects.drop_reference(object) else { return };
        if freed.dma.is_some() {
            self.release_dma(&freed);
        } else if let Some(process) = freed.owner.and_then(|owner| self.processes.get_mut(owner)) {
            process.space.budget.refund(freed.pages);
        }
    }

    /// Notes that nobody holds a capability of the process any more. It goes on running.
    pub fn process_unreferenced(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.held = false;
        if process.closed {
            self.processes.remove(id);
        }
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
