//! Synchronous calls of the platform layer, with messages on the stack and without the heap.
#![expect(unsafe_code, reason = "hands stack buffers to the kernel")]

use crate::local;
use crate::message::Arena;
use capnp::any_pointer;
use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::NoAllocSliceSegments;
use capos_abi::{CapDescriptor, ErrorCode, Handle, Opcode, Rights, SubmissionEntry, TransferMode};
use core::ptr::NonNull;

/// User data of synchronous calls; operations of the executor count from 0.
const SYNC_USER_DATA: u64 = 1 << 63;

/// Space for a call's messages: `PARAMS` and `RESULTS` words, segment tables included.
pub(crate) struct SyncBuffer<const PARAMS: usize, const RESULTS: usize> {
    params: [u64; PARAMS],
    results: [u64; RESULTS],
    caps: [u64; 1],
    used: bool,
}

/// The answer to a synchronous call.
pub(crate) struct Reply<'a> {
    bytes: &'a [u8],
    /// The capability in the results, or null.
    pub(crate) capability: Handle,
}

#[cfg_attr(not(target_os = "hermit"), expect(dead_code, reason = "only the platform layer reads results"))]
impl Reply<'_> {
    /// Reads the results.
    pub(crate) fn read<T>(&self, get: impl FnOnce(any_pointer::Reader<'_>) -> capnp::Result<T>) -> Option<T> {
        let mut bytes = self.bytes;
        let segments = NoAllocSliceSegments::from_slice(&mut bytes, ReaderOptions::new()).ok()?;
        let message = Reader::new(segments, ReaderOptions::new());
        get(message.get_root().ok()?).ok()
    }
}

impl<const PARAMS: usize, const RESULTS: usize> SyncBuffer<PARAMS, RESULTS> {
    pub(crate) const fn new() -> Self {
        Self { params: [0; PARAMS], results: [0; RESULTS], caps: [0; 1], used: false }
    }

    /// Calls `method` of `interface` on `target` with the parameters that `fill` builds; capability pointers
    /// in them must be index 0, which stands for `sent`.
    ///
    /// # Errors
    /// The kernel's, or the object's exception without its text.
    pub(crate) fn call(
        &mut self,
        target: Handle,
        (interface, method): (u64, u16),
        sent: Option<Handle>,
        fill: impl FnOnce(any_pointer::Builder<'_>),
    ) -> Result<Reply<'_>, ErrorCode> {
        if core::mem::replace(&mut self.used, true) {
            self.params.fill(0);
        }
        // SAFETY: the words are zero, aligned, and outlive the arena, which is their only user meanwhile.
        let mut arena = unsafe { Arena::new(NonNull::from(&mut self.params).cast(), PARAMS * 8) };
        fill(arena.root());
        let length = arena.finish().ok_or(ErrorCode::MessageTooLarge)?;
        let descriptor = CapDescriptor {
            handle: sent.unwrap_or_default().0,
            badge: 0,
            rights: Rights::all().bits(),
            mode: TransferMode::Copy as u32,
        };
        let entry = SubmissionEntry {
            opcode: Opcode::Call as u8,
            method,
            user_data: SYNC_USER_DATA,
            cap: target.0,
            interface,
            send_address: arena.address(),
            send_length: length,
            send_cap_count: u32::from(sent.is_some()),
            send_caps: if sent.is_some() { (&raw const descriptor) as u64 } else { 0 },
            recv_address: self.results.as_mut_ptr() as u64,
            recv_length: (RESULTS * 8) as u32,
            recv_cap_count: 1,
            recv_caps: self.caps.as_mut_ptr() as u64,
            ..SubmissionEntry::default()
        };
        // SAFETY: all buffers are in `self` and on this stack frame until the call has completed.
        let completion = unsafe { local::with_ring(|ring| ring.call_sync(&entry)) }?;
        drop(arena);
        if completion.status != 0 {
            return Err(ErrorCode::from_raw(completion.status).unwrap_or(ErrorCode::Failed));
        }
        let length = (completion.length as usize).min(RESULTS * 8);
        // SAFETY: `length` is within the results, which the kernel has finished writing.
        let bytes = unsafe { core::slice::from_raw_parts(self.results.as_ptr().cast::<u8>(), length) };
        let capability = if completion.cap_count != 0 { Handle(self.caps[0]) } else { Handle::NULL };
        Ok(Reply { bytes, capability })
    }
}
