//! wasmtime's platform interface: initial contents of linear memories, mapped copy on write from the code's own object. So an
//! instance starts with pages that it shares with all others, also those of other hosts, until it writes to them.
// Unsafe here: the functions are called by name, with raw pointers.
#![expect(unsafe_code, reason = "wasmtime calls these functions by name")]

use crate::{code, memory::status};
use capos_rt::address_space;
use capos_schema::memory_capnp::memory_object;
use std::ptr;

/// A part of an object.
struct Image {
    object: memory_object::Client,
    offset: u64,
}

/// Makes an image of bytes within mapped code; of other bytes there is none, and wasmtime copies them.
#[unsafe(no_mangle)]
extern "C" fn wasmtime_memory_image_new(bytes: *const u8, length: usize, image: &mut *mut u8) -> i32 {
    *image = match code::object_of(&(bytes.addr()..bytes.addr() + length)) {
        Some((object, offset)) => Box::into_raw(Box::new(Image { object, offset })).cast(),
        None => ptr::null_mut(),
    };
    0
}

/// Maps the beginning of an image in place of what is mapped at an address.
///
/// # Safety
/// As wasmtime guarantees: `image` is alive, and the range belongs to a memory that nothing uses.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_memory_image_map_at(image: *mut u8, address: *mut u8, length: usize) -> i32 {
    // SAFETY: `wasmtime_memory_image_new` made it, and `wasmtime_memory_image_free` has not had it.
    let image = unsafe { &*image.cast::<Image>() };
    let address = address.addr();
    // SAFETY: the range is the caller's.
    let mapped = unsafe { address_space::unmap(address, length) }
        // SAFETY: as above; the range has just been unmapped.
        .and_then(|()| unsafe {
            address_space::map_private_at(&image.object, image.offset, length, address)
        });
    status(mapped)
}

/// Frees an image; mappings of it stay.
///
/// # Safety
/// As wasmtime guarantees: `image` is alive, and is not used afterwards.
#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_memory_image_free(image: *mut u8) {
    // SAFETY: `wasmtime_memory_image_new` made it from a box.
    drop(unsafe { Box::from_raw(image.cast::<Image>()) });
}
