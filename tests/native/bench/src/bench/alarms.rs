//! Alarms, and the way through a fault handler that does nothing.

use crate::counter::Counter;
use capos_abi::Syscall;
use capos_rt::alarm;
use core::arch::naked_asm;

/// Far enough ahead that no alarm set for then is delivered here.
pub(crate) const LATER_NS: u64 = 1 << 60;

/// All measurements with alarms.
pub(crate) async fn all(counter: &Counter) -> capnp::Result<()> {
    let mut request = capos_rt::thread_spawner().set_fault_handler_request();
    request.get().set_entry(go_on as *const () as u64);
    request.send().promise.await?;
    counter.measure("alarm_set", || alarm::set(LATER_NS));
    counter.measure("alarm_round_trip", || alarm::set(0));
    alarm::clear();
    let mut request = capos_rt::thread_spawner().set_fault_handler_request();
    request.get().set_entry(0);
    request.send().promise.await?;
    Ok(())
}

/// Continues what was interrupted; RDI leads to the frame.
#[unsafe(naked)]
extern "sysv64" fn go_on() -> ! {
    naked_asm!("mov eax, {}", "syscall", "ud2", const Syscall::FaultReturn as u64);
}
