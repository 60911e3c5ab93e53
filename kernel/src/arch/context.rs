//! The processor state of a thread, kept while it does not run.

use super::vectors;
use alloc::boxed::Box;
use capos_abi::FaultFrame;
use capos_kernel_core::OutOfMemory;
use core::{
    alloc::Layout,
    mem::{MaybeUninit, offset_of, size_of},
};

/// Marks a context saved by a system call: most registers need not be restored.
pub(super) const SYSCALL_VECTOR: u64 = 0x100;
/// Marks a context in which every register was set.
const WHOLE_VECTOR: u64 = 0x101;

/// Arithmetic, direction, trap and alignment-check flags, which userspace may set.
const USER_FLAGS: u64 = 0x4_0dd5;
/// Always set: the reserved bit and interrupts.
const FIXED_FLAGS: u64 = 0x202;

/// The general registers, in the order in which entry.s pushes them, and the processor's interrupt frame.
#[repr(C, align(16))]
#[derive(Clone, Debug, Default)]
pub(super) struct UserContext {
    pub(super) r15: u64,
    pub(super) r14: u64,
    pub(super) r13: u64,
    pub(super) r12: u64,
    pub(super) r11: u64,
    pub(super) r10: u64,
    pub(super) r9: u64,
    pub(super) r8: u64,
    pub(super) rbp: u64,
    pub(super) rdi: u64,
    pub(super) rsi: u64,
    pub(super) rdx: u64,
    pub(super) rcx: u64,
    pub(super) rbx: u64,
    pub(super) rax: u64,
    pub(super) vector: u64,
    pub(super) error_code: u64,
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

// The processor aligns interrupt frames to 16 bytes; the context must end on such a boundary.
const _: () = assert!(size_of::<UserContext>() == 176 && size_of::<UserContext>().is_multiple_of(16));
const _: () = assert!(offset_of!(UserContext, vector) == 120);

/// A thread's saved processor state. It must not move while the thread is the current one, so its owner boxes
/// it.
#[repr(C, align(64))]
pub struct ThreadState {
    pub(super) context: UserContext,
    pub(super) fs_base: u64,
    pub(super) gs_base: u64,
    /// The x87 and vector registers, in the form and size that [`vectors`] chose.
    pub(super) vectors: [MaybeUninit<u8>],
}

/// Offset of the vector registers, which must be aligned.
pub(super) const VECTORS: usize = size_of::<UserContext>() + 2 * size_of::<u64>();
const _: () = assert!(VECTORS.is_multiple_of(vectors::AREA_ALIGNMENT));

impl ThreadState {
    /// A thread that starts at `entry` with `arguments` in RDI and RSI.
    ///
    /// # Errors
    /// If memory is exhausted.
    pub fn new(
        entry: u64,
        stack: u64,
        arguments: [u64; 2],
        thread_pointer: u64,
    ) -> Result<Box<Self>, OutOfMemory> {
        let context = UserContext {
            rip: entry,
            rsp: stack,
            rdi: arguments[0],
            rsi: arguments[1],
            cs: super::tables::USER_CODE_SELECTOR,
            ss: super::tables::USER_DATA_SELECTOR,
            rflags: FIXED_FLAGS,
            vector: WHOLE_VECTOR,
            ..UserContext::default()
        };
        let length = vectors::area_bytes();
        let layout =
            Layout::from_size_align(VECTORS + length, vectors::AREA_ALIGNMENT).map_err(|_| OutOfMemory)?;
        // SAFETY: the layout is that of a `ThreadState` with `length` bytes of vector registers, since both parts of it are
        // multiples of its alignment. Every field is written before the box exists, except those bytes, which need not be.
        let mut state = unsafe {
            let block = alloc::alloc::alloc(layout);
            if block.is_null() {
                return Err(OutOfMemory);
            }
            let state = core::ptr::slice_from_raw_parts_mut(block, length) as *mut Self;
            (&raw mut (*state).context).write(context);
            (&raw mut (*state).fs_base).write(thread_pointer);
            (&raw mut (*state).gs_base).write(0);
            Box::from_raw(state)
        };
        vectors::initialize(&mut state.vectors);
        Ok(state)
    }

    /// Sets the result of the current system call.
    #[inline]
    pub fn set_result(&mut self, result: i64) {
        self.context.rax = result.cast_unsigned();
    }

    /// Its stack pointer.
    pub fn stack_pointer(&self) -> u64 {
        self.context.rsp
    }

    /// Its next instruction.
    pub fn instruction_pointer(&self) -> u64 {
        self.context.rip
    }

    /// Sets the registers that a system call does not preserve to the values that they get on its return, if the thread
    /// is in one: from now on all of its registers are in the record.
    pub fn complete(&mut self) {
        let c = &mut self.context;
        if c.vector == SYSCALL_VECTOR {
            c.vector = WHOLE_VECTOR;
            (c.rcx, c.r11) = (c.rip, c.rflags);
            (c.rdi, c.rsi, c.rdx, c.r8, c.r9, c.r10) = (0, 0, 0, 0, 0, 0);
        }
    }

    /// Its state for a fault handler that is told of `trap`. The thread must be the current one, and its record
    /// [complete](Self::complete).
    pub fn fault_frame(&self, trap: &super::Trap) -> FaultFrame {
        let c = &self.context;
        FaultFrame {
            rax: c.rax,
            rbx: c.rbx,
            rcx: c.rcx,
            rdx: c.rdx,
            rsi: c.rsi,
            rdi: c.rdi,
            rbp: c.rbp,
            rsp: c.rsp,
            r8: c.r8,
            r9: c.r9,
            r10: c.r10,
            r11: c.r11,
            r12: c.r12,
            r13: c.r13,
            r14: c.r14,
            r15: c.r15,
            rip: c.rip,
            rflags: c.rflags,
            thread_pointer: super::cpu::read_fs_base(),
            vector: trap.vector,
            error_code: trap.error_code,
            address: trap.address,
        }
    }

    /// Enters a fault handler: RIP and RSP as given, RDI points to the frame, everything else is zero.
    pub fn enter_handler(&mut self, entry: u64, stack: u64, frame: u64) {
        let (cs, ss) = (self.context.cs, self.context.ss);
        self.context = UserContext {
            rip: entry,
            rsp: stack,
            rdi: frame,
            cs,
            ss,
            rflags: FIXED_FLAGS,
            vector: WHOLE_VECTOR,
            ..UserContext::default()
        };
    }

    /// Loads the state in `frame`, whose addresses the caller has checked. Of the flags only those that
    /// userspace may set are taken. The thread must be the current one.
    pub fn restore_fault_frame(&mut self, frame: &FaultFrame) {
        self.context = UserContext {
            r15: frame.r15,
            r14: frame.r14,
            r13: frame.r13,
            r12: frame.r12,
            r11: frame.r11,
            r10: frame.r10,
            r9: frame.r9,
            r8: frame.r8,
            rbp: frame.rbp,
            rdi: frame.rdi,
            rsi: frame.rsi,
            rdx: frame.rdx,
            rcx: frame.rcx,
            rbx: frame.rbx,
            rax: frame.rax,
            vector: WHOLE_VECTOR,
            error_code: 0,
            rip: frame.rip,
            cs: super::tables::USER_CODE_SELECTOR,
            rflags: frame.rflags & USER_FLAGS | FIXED_FLAGS,
            rsp: frame.rsp,
            ss: super::tables::USER_DATA_SELECTOR,
        };
        super::cpu::write_fs_base(frame.thread_pointer);
    }
}
