//! Standard streams over the grant "console"; standard error falls back to "log".

use super::errno::{fail, from_code};
use crate::bootstrap;
use crate::methods::{CONSOLE_READ, CONSOLE_WRITE, CONSOLE_WRITE_ERROR, Method};
use crate::ring::SyncBuffer;
use capos_abi::{ErrorCode, Handle};
use capos_schema::{console_capnp::console, grants};
use core::sync::atomic::{AtomicU64, Ordering};
use hermit_abi::{errno, iovec};
use std::slice;

/// Maximum bytes per write call.
const WRITE_BYTES: usize = 4096;
/// A write of at most this many bytes uses a smaller buffer.
const SHORT_BYTES: usize = 256;
const READ_BYTES: usize = 4096;

/// A standard stream's capability, looked up once.
struct Stream(AtomicU64);

/// Looked up, but not granted.
const ABSENT: u64 = u64::MAX;

static CONSOLE: Stream = Stream(AtomicU64::new(0));
static ERROR: Stream = Stream(AtomicU64::new(0));

impl Stream {
    fn handle(&self, names: &[&str]) -> Option<Handle> {
        let known = self.0.load(Ordering::Relaxed);
        let raw = if known == 0 {
            let found = names.iter().find_map(|name| {
                let (handle, interface) = bootstrap::get()?.find(name)?;
                (interface == grants::CONSOLE.interface_id).then_some(handle.0)
            });
            let raw = found.unwrap_or(ABSENT);
            self.0.store(raw, Ordering::Relaxed);
            raw
        } else {
            known
        };
        (raw != ABSENT).then_some(Handle(raw))
    }
}

/// The capability and method for writing to a descriptor.
fn output(descriptor: i32) -> Option<(Handle, Method)> {
    match descriptor {
        hermit_abi::STDOUT_FILENO => Some((CONSOLE.handle(&[grants::CONSOLE.name])?, CONSOLE_WRITE)),
        hermit_abi::STDERR_FILENO => {
            Some((ERROR.handle(&[grants::CONSOLE.name, grants::LOG.name])?, CONSOLE_WRITE_ERROR))
        }
        _ => None,
    }
}

fn write(console: Handle, method: Method, bytes: &[u8]) -> Result<(), ErrorCode> {
    fn call<const WORDS: usize>(console: Handle, method: Method, bytes: &[u8]) -> Result<(), ErrorCode> {
        SyncBuffer::<WORDS, 16>::new()
            .call(console, method, None, |root| {
                // Both methods have the same parameters.
                root.init_as::<console::write_params::Builder<'_>>().set_bytes(bytes);
            })
            .map(drop)
    }
    // Segment table, root pointer and data pointer precede the bytes.
    if bytes.len() <= SHORT_BYTES {
        call::<{ SHORT_BYTES / 8 + 3 }>(console, method, bytes)
    } else {
        call::<{ WRITE_BYTES / 8 + 3 }>(console, method, bytes)
    }
}

/// Writes all of `bytes`; returns the number written, or a negated errno.
fn write_all(descriptor: i32, bytes: &[u8]) -> isize {
    let Some((console, method)) = output(descriptor) else {
        return fail(errno::EBADF) as isize;
    };
    for chunk in bytes.chunks(WRITE_BYTES) {
        if let Err(code) = write(console, method, chunk) {
            return fail(from_code(code)) as isize;
        }
    }
    bytes.len() as isize
}

fn read_into(descriptor: i32, target: &mut [u8]) -> isize {
    let console =
        if descriptor == hermit_abi::STDIN_FILENO { CONSOLE.handle(&[grants::CONSOLE.name]) } else { None };
    let Some(console) = console else {
        return fail(errno::EBADF) as isize;
    };
    let limit = target.len().min(READ_BYTES);
    let mut buffer = SyncBuffer::<8, { READ_BYTES / 8 + 8 }>::new();
    let reply = buffer.call(console, CONSOLE_READ, None, |root| {
        root.init_as::<console::read_params::Builder<'_>>().set_max_bytes(limit as u32);
    });
    let reply = match reply {
        Ok(reply) => reply,
        Err(code) => return fail(from_code(code)) as isize,
    };
    let read = reply.read(|root| {
        let results = root.get_as::<console::read_results::Reader<'_>>()?;
        let bytes = results.get_bytes()?;
        let length = bytes.len().min(limit);
        target[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    });
    read.map_or_else(|| fail(errno::EIO) as isize, |length| length as isize)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_write(descriptor: i32, bytes: *const u8, length: usize) -> isize {
    // SAFETY: the caller passes `length` readable bytes.
    write_all(descriptor, unsafe { slice::from_raw_parts(bytes, length) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_writev(descriptor: i32, parts: *const iovec, count: usize) -> isize {
    // SAFETY: the caller passes `count` parts.
    let parts = unsafe { slice::from_raw_parts(parts, count) };
    let mut total = 0;
    for part in parts.iter().filter(|part| part.iov_len != 0) {
        // SAFETY: each part is readable.
        let written = unsafe { sys_write(descriptor, part.iov_base.cast(), part.iov_len) };
        if written < 0 {
            return if total > 0 { total } else { written };
        }
        total += written;
    }
    total
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_read(descriptor: i32, bytes: *mut u8, length: usize) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller passes `length` writable bytes, which are not read here.
    read_into(descriptor, unsafe { slice::from_raw_parts_mut(bytes, length) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sys_readv(descriptor: i32, parts: *const iovec, count: usize) -> isize {
    // SAFETY: the caller passes `count` parts.
    let parts = unsafe { slice::from_raw_parts(parts, count) };
    match parts.iter().find(|part| part.iov_len != 0) {
        // Filling only the first part is allowed, and a second read might wait.
        // SAFETY: each part is writable.
        Some(part) => unsafe { sys_read(descriptor, part.iov_base.cast(), part.iov_len) },
        None => 0,
    }
}
