//! Writing the results of an export to an instance's standard output.

use super::data::HostData;
use crate::preview1::{Call, Reply, Snapshot};
use std::task::{Context as TaskContext, Poll};
use wasmi::Val;

const STDOUT: u32 = 1;
/// One buffer's place and length, and how many bytes of it were written.
const IOVEC: usize = 0;
const WRITTEN: usize = 8;
const TEXT: usize = 16;

/// A value as wasmtime prints it.
pub(super) fn shown(value: &Val) -> String {
    match value {
        Val::I32(value) => value.to_string(),
        Val::I64(value) => value.to_string(),
        Val::F32(value) => f32::from(*value).to_string(),
        Val::F64(value) => f64::from(*value).to_string(),
        Val::V128(value) => value.as_u128().to_string(),
        Val::FuncRef(reference) if reference.is_null() => "<null funcref>".to_owned(),
        Val::FuncRef(_) => "<funcref>".to_owned(),
        Val::ExternRef(reference) if reference.is_null() => "<null externref>".to_owned(),
        Val::ExternRef(_) => "<externref>".to_owned(),
    }
}

/// Text on its way, in a memory of its own that stands for the guest's: so it goes where the program's output goes, and
/// counts as such.
pub(super) struct Printing {
    memory: Vec<u8>,
    done: usize,
}

impl Printing {
    pub(super) fn new(text: String) -> Self {
        let mut memory = vec![0; TEXT];
        memory.extend_from_slice(text.as_bytes());
        Self { memory, done: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        TEXT + self.done >= self.memory.len()
    }

    /// Begins to write what is left; `None` means that it waits.
    pub(super) fn begin(&mut self, data: &mut HostData) -> Option<Reply> {
        let start = TEXT + self.done;
        let (start, length) = (start as u32, (self.memory.len() - start) as u32);
        self.put(IOVEC, start);
        self.put(IOVEC + 4, length);
        self.put(WRITTEN, 0);
        let call = Call::fd_write { fd: STDOUT, iovs: IOVEC as u32, iovs_len: 1, nwritten: WRITTEN as u32 };
        data.begin(&mut self.memory, Snapshot::One, call)
    }

    /// Goes on with what waits.
    pub(super) fn poll(&mut self, data: &mut HostData, cx: &mut TaskContext<'_>) -> Poll<Reply> {
        data.poll(&mut self.memory, cx)
    }

    /// Takes note of what was written; false when that is nothing.
    pub(super) fn advance(&mut self) -> bool {
        let mut written = [0; 4];
        written.copy_from_slice(&self.memory[WRITTEN..WRITTEN + 4]);
        let written = u32::from_le_bytes(written) as usize;
        self.done += written;
        written > 0
    }

    fn put(&mut self, at: usize, number: u32) {
        self.memory[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }
}
