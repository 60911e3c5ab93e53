use core::mem::size_of;

/// The state of a thread at a fault, as its handler finds it (RDI points at it) and as `FaultReturn` takes it.
/// Segment registers and privileged flags are the kernel's; on return it keeps only the arithmetic,
/// direction, trap and alignment flags and refuses addresses outside user space.
/// Vector registers are as they were at the fault; a handler that uses them saves them first.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "general registers go by their own names")]
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
    /// FS base.
    pub thread_pointer: u64,
    /// The x86 exception number.
    pub vector: u64,
    /// Its error code, or 0.
    pub error_code: u64,
    /// The address accessed (page faults), or 0.
    pub address: u64,
}

const _: () = assert!(size_of::<FaultFrame>() == 176);
