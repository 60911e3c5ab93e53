//! Thread-local blocks in the layout of x86_64 (variant II): the program's thread-local data ends at the
//! thread pointer, and the word there holds the pointer itself.

use core::ptr;

#[repr(C)]
struct ElfHeader {
    ident: [u8; 16],
    kind: u16,
    machine: u16,
    version: u32,
    entry: u64,
    program_headers: u64,
    section_headers: u64,
    flags: u32,
    header_size: u16,
    program_header_size: u16,
    program_header_count: u16,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct ProgramHeader {
    kind: u32,
    flags: u32,
    offset: u64,
    address: u64,
    physical: u64,
    file_size: u64,
    memory_size: u64,
    align: u64,
}

unsafe extern "C" {
    /// Defined by the linker as the start of the image, which begins with its ELF header.
    static __ehdr_start: ElfHeader;
}

const PT_TLS: u32 = 7;
/// The thread control block: the pointer to itself, and one word that the ABI leaves to the runtime.
const CONTROL_BYTES: usize = 16;
const MIN_ALIGN: usize = 64;

/// The program's initial thread-local data.
#[derive(Clone, Copy)]
pub(super) struct Template {
    image: *const u8,
    image_bytes: usize,
    /// Bytes from the block's start to the thread pointer.
    block_bytes: usize,
    memory_bytes: usize,
    align: usize,
}

/// Finds the template. Uses no thread-local data, so it works before there is any.
pub(super) fn template() -> Template {
    let base = &raw const __ehdr_start;
    // SAFETY: the linker places the ELF header and the program headers in the first, mapped page of the image.
    let headers = unsafe {
        let table = base.cast::<u8>().add((*base).program_headers as usize).cast::<ProgramHeader>();
        core::slice::from_raw_parts(table, usize::from((*base).program_header_count))
    };
    let mut template =
        Template { image: ptr::null(), image_bytes: 0, block_bytes: 0, memory_bytes: 0, align: MIN_ALIGN };
    for header in headers {
        if header.kind == PT_TLS {
            template.image = ptr::with_exposed_provenance(header.address as usize);
            template.image_bytes = header.file_size as usize;
            template.memory_bytes = header.memory_size as usize;
            // The linker counts offsets back from the thread pointer by the size rounded up to the alignment.
            template.block_bytes = template.memory_bytes.next_multiple_of((header.align as usize).max(1));
            template.align = (header.align as usize).max(MIN_ALIGN);
        }
    }
    template
}

impl Template {
    /// Bytes to reserve for a block at any address.
    pub(super) fn reserve_bytes(&self) -> usize {
        self.block_bytes + CONTROL_BYTES + self.align
    }

    /// Lays out a block in `reserve_bytes` of memory at `memory` and returns its thread pointer.
    ///
    /// # Safety
    /// The memory must be writable, not be used by anything else, and live as long as the thread.
    pub(super) unsafe fn lay_out(&self, memory: *mut u8) -> u64 {
        let end = memory as usize + self.reserve_bytes() - CONTROL_BYTES;
        let pointer = (end - end % self.align) as *mut u8;
        // SAFETY: `reserve_bytes` includes the data below the aligned pointer and the control block above it.
        unsafe {
            self.restore(pointer as u64);
            pointer.cast::<u64>().write(pointer as u64);
            pointer.cast::<u64>().add(1).write(0);
        }
        pointer as u64
    }

    /// Restores the block of `thread_pointer` to its initial contents.
    ///
    /// # Safety
    /// The block must be one of this program's, and nothing may refer to its contents.
    pub(super) unsafe fn restore(&self, thread_pointer: u64) {
        let start = (thread_pointer as usize - self.block_bytes) as *mut u8;
        // SAFETY: the block exists and is unused, by this function's contract.
        unsafe {
            ptr::copy_nonoverlapping(self.image, start, self.image_bytes);
            start.add(self.image_bytes).write_bytes(0, self.memory_bytes - self.image_bytes);
        }
    }
}
