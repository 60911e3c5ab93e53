//! wasmtime's platform interface: two words for each thread.
// Unsafe here: the functions are called by name.
#![expect(unsafe_code, reason = "wasmtime calls these functions by name")]

use std::{cell::Cell, ptr};

thread_local! {
    static WORDS: [Cell<*mut u8>; 2] = const { [Cell::new(ptr::null_mut()), Cell::new(ptr::null_mut())] };
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_get(slot: usize) -> *mut u8 {
    WORDS.with(|words| words[slot].get())
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_set(slot: usize, word: *mut u8) {
    WORDS.with(|words| words[slot].set(word));
}
