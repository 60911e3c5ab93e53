use crate::local;
use capos_abi::{Handle, Opcode, SubmissionEntry, SubmissionFlags};

/// A slot of the capability table, released when dropped.
#[derive(Debug)]
pub(crate) struct OwnedHandle {
    handle: Handle,
    /// Bootstrap capabilities live as long as the process.
    keep: bool,
}

impl OwnedHandle {
    /// Takes ownership of `handle`.
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, keep: false }
    }

    /// A handle that is owned elsewhere.
    pub(crate) fn borrowed(handle: Handle) -> Self {
        Self { handle, keep: true }
    }

    pub(crate) fn get(&self) -> Handle {
        self.handle
    }
}

impl Drop for OwnedHandle {
    fn drop(&mut self) {
        if self.keep || self.handle.is_null() {
            return;
        }
        if let Some(local) = local::try_current() {
            local.submit(SubmissionEntry {
                opcode: Opcode::Release as u8,
                flags: SubmissionFlags::QUIET.bits(),
                user_data: local::IGNORED,
                cap: self.handle.0,
                ..SubmissionEntry::default()
            });
        }
    }
}
