//! Malformed messages and capability lists, sent to objects that the kernel serves.

use crate::handles::call;
use crate::raw::{bootstrap, grant, run};
use capnp::traits::HasTypeId;
use capos_abi::{CapDescriptor, Handle, MAX_MESSAGE_CAPS, SubmissionEntry};
use capos_schema::{console_capnp::console, memory_capnp::virtual_memory};

/// Calls `Console.write` with these words as the message.
fn write_words(words: &[u64]) -> i32 {
    let entry = call(grant(0), console::Client::TYPE_ID, 0);
    let length = u32::try_from(words.len() * 8).unwrap_or(u32::MAX);
    run(SubmissionEntry { send_address: words.as_ptr() as u64, send_length: length, ..entry }).status
}

pub(crate) fn garbage() -> i32 {
    write_words(&[0xdead_beef_dead_beef; 16])
}

pub(crate) fn empty() -> i32 {
    let entry = call(grant(0), console::Client::TYPE_ID, 0);
    run(SubmissionEntry { send_address: 0, send_length: 0, ..entry }).status
}

/// Claims four thousand million segments.
pub(crate) fn too_many_segments() -> i32 {
    write_words(&[0x0000_0001_ffff_fffe, 0, 0, 0])
}

/// The one segment is longer than the message.
pub(crate) fn segment_past_the_end() -> i32 {
    write_words(&[0x7fff_ffff_0000_0000, 0])
}

/// The root pointer points outside the segment.
pub(crate) fn pointer_out_of_bounds() -> i32 {
    // Struct pointer, offset 1000 words, one pointer in it.
    write_words(&[0x0000_0001_0000_0000, 0x0001_0000_0000_0fa0])
}

/// A list whose length times element size overflows.
pub(crate) fn list_overflow() -> i32 {
    // Root: struct with one pointer, immediately after; that pointer: byte list of 2^29-1 elements.
    write_words(&[0x0000_0002_0000_0000, 0x0001_0000_0000_0000, 0xffff_fffa_0000_0001])
}

/// A cyclic pointer must not be followed for ever.
pub(crate) fn far_pointer_loop() -> i32 {
    write_words(&[0x0000_0001_0000_0000, 0x0000_0000_0000_0002])
}

/// Sends `Console.write` with a capability list.
fn with_caps(list: &[CapDescriptor], count: u32) -> i32 {
    let entry = call(grant(0), console::Client::TYPE_ID, 0);
    run(SubmissionEntry { send_caps: list.as_ptr() as u64, send_cap_count: count, ..entry }).status
}

pub(crate) fn list_too_long() -> i32 {
    with_caps(&[CapDescriptor::default(); 80], MAX_MESSAGE_CAPS + 1)
}

pub(crate) fn list_bad_mode() -> i32 {
    with_caps(&[CapDescriptor { handle: grant(0), mode: 99, rights: u32::MAX, badge: 0 }], 1)
}

pub(crate) fn list_stale_handle() -> i32 {
    let handle = Handle::new(3, 0x7777).0;
    with_caps(&[CapDescriptor { handle, mode: 0, rights: u32::MAX, badge: 0 }], 1)
}

/// The message refers to capability 9 of an empty list.
pub(crate) fn index_past_the_list() -> i32 {
    // `VirtualMemory.mapObject`: three data words (5 fields), two pointers; the first is a capability pointer.
    let words: [u64; 8] =
        [0x0000_0007_0000_0000, 0x0002_0003_0000_0000, 0, 4096, 0, 0x0000_0009_0000_0003, 0, 0];
    let entry = call(bootstrap().virtual_memory, virtual_memory::Client::TYPE_ID, 5);
    run(SubmissionEntry { send_address: words.as_ptr() as u64, send_length: 64, ..entry }).status
}
