//! On systems without a capOS kernel, a test supplies a model of one.

use std::rc::Rc;

/// The kernel's side of one thread's ring, to be implemented by a model.
pub trait KernelModel {
    /// Like [`capos_abi::Syscall::CapEnter`]: negative results are negated error codes.
    fn cap_enter(&self, submit: u32, wait_for: u32, deadline_ns: u64) -> i64;
}

/// The kernel connection of one ring.
pub type Port = Rc<dyn KernelModel>;

/// Submits entries of the ring behind `port` and waits for completions.
pub fn cap_enter(port: &Port, submit: u32, wait_for: u32, deadline_ns: u64) -> i64 {
    port.cap_enter(submit, wait_for, deadline_ns)
}
