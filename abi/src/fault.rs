use core::mem::size_of;

/// The state of a thread at a fault, as passed to its handler (by the address in RDI) and to `FaultReturn`.
/// Segment registers and privileged flags stay under the kernel's control; on return it takes only the
/// arithmetic, direction, trap and alignment flags and refuses addresses outside user space. Vector registers
/// are as they were at the fault; a handler that uses them must save them first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields have the names of the general registers")]
pub struct FaultFrame {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub rsp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rflags: u64,
    /// The FS base.
    pub thread_pointer: u64,
    /// x86 exception number, or [`ALARM_VECTOR`].
    pub vector: u64,
    /// Error code of the exception, or 0.
    pub error_code: u64,
    /// Address accessed (page faults), or 0.
    pub address: u64,
}

/// [`FaultFrame::vector`] of an alarm. No exception has this number.
pub const ALARM_VECTOR: u64 = 255;

const _: () = assert!(size_of::<FaultFrame>() == 176);
