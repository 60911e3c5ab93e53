//! Stacks of guests' calls, each above a guard page, kept for the next call.
// Unsafe here: wasmtime's traits for stacks are unsafe, and stacks that are not kept are unmapped.
#![expect(unsafe_code, reason = "owns the memory of stacks")]

use capos_rt::{Access, abi::ErrorCode, abi::PAGE_SIZE, address_space};
use std::{ops::Range, sync::Mutex};
use wasmtime::{Error, StackCreator, StackMemory};

/// Stacks that are kept; the pages of the others are freed.
const KEPT: usize = 16;
const GUARD_BYTES: usize = PAGE_SIZE as usize;

/// Makes stacks.
pub(crate) struct Stacks;

static UNUSED: Mutex<Vec<Memory>> = Mutex::new(Vec::new());

/// Address space of a stack: the guard, then the pages.
struct Memory {
    start: usize,
    length: usize,
}

impl Memory {
    fn new(size: usize) -> Result<Self, Error> {
        let length = size.next_multiple_of(PAGE_SIZE as usize) + GUARD_BYTES;
        let failed = |error: ErrorCode| Error::msg(format!("no memory for a stack: {}", error.message()));
        let start = address_space::reserve(length, Access::ReadWrite).map_err(failed)?;
        let memory = Self { start, length };
        // SAFETY: nothing uses the pages that have just been reserved.
        unsafe { address_space::protect(start, GUARD_BYTES, Access::None) }.map_err(failed)?;
        Ok(memory)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the stack is this value's, and its call is over. If it fails, the pages stay.
        let _ = unsafe { address_space::unmap(self.start, self.length) };
    }
}

/// A stack in use.
struct Stack(Option<Memory>);

// SAFETY: what it returns is mapped for as long as the stack exists, and used by nobody else.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, _zeroed: bool) -> Result<Box<dyn StackMemory>, Error> {
        let length = size.next_multiple_of(PAGE_SIZE as usize) + GUARD_BYTES;
        // A stack that was used by another guest is never read before it is written: guests have no access to it, and
        // compiled code initializes its frames.
        let kept = UNUSED.lock().ok().and_then(|mut unused| {
            let index = unused.iter().rposition(|memory| memory.length == length)?;
            Some(unused.swap_remove(index))
        });
        let memory = match kept {
            Some(memory) => memory,
            None => Memory::new(size)?,
        };
        Ok(Box::new(Stack(Some(memory))))
    }
}

impl Stack {
    fn memory(&self) -> Range<usize> {
        self.0.as_ref().map_or(0..0, |memory| memory.start..memory.start + memory.length)
    }
}

// SAFETY: the pages belong to the stack until it is dropped, and the page below them is never accessible.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        self.memory().end as *mut u8
    }

    fn range(&self) -> Range<usize> {
        let memory = self.memory();
        memory.start + GUARD_BYTES..memory.end
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let start = self.memory().start as *mut u8;
        start..start.wrapping_add(GUARD_BYTES)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if let (Some(memory), Ok(mut unused)) = (self.0.take(), UNUSED.lock())
            && unused.len() < KEPT
        {
            unused.push(memory);
        }
    }
}
