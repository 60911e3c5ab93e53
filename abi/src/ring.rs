use bitflags::bitflags;
use core::mem::{offset_of, size_of};
use core::sync::atomic::AtomicU32;

/// Entries in a submission queue.
pub const SUBMISSION_ENTRIES: u32 = 32;
/// Entries in a completion queue. An operation is taken from the submission queue only if its completion is
/// guaranteed to fit, so completions are never lost.
pub const COMPLETION_ENTRIES: u32 = 64;
/// Offset of the submission entries from the start of the ring, in bytes.
pub const SUBMISSION_OFFSET: usize = 4096;
/// Offset of the completion entries from the start of the ring, in bytes.
pub const COMPLETION_OFFSET: usize = 8192;
/// Size of a thread's ring in bytes.
pub const RING_BYTES: usize = 12288;
/// Maximum length of a message, in bytes.
pub const MAX_MESSAGE_BYTES: u32 = 65536;
/// Maximum number of capabilities in a message.
pub const MAX_MESSAGE_CAPS: u32 = 64;

/// The indices of a ring. They are free-running and reduced modulo the queue's size. Each has its own cache
/// line because each side writes only its own.
#[repr(C, align(64))]
#[derive(Debug, Default)]
pub struct RingHeader {
    /// Next submission the kernel takes. Written by the kernel.
    pub submission_head: AtomicU32,
    _pad0: [u32; 15],
    /// One past the last submission. Written by userspace.
    pub submission_tail: AtomicU32,
    _pad1: [u32; 15],
    /// Next completion that userspace reads. Written by userspace.
    pub completion_head: AtomicU32,
    _pad2: [u32; 15],
    /// One past the last completion. Written by the kernel.
    pub completion_tail: AtomicU32,
    _pad3: [u32; 15],
}

/// The operation that a submission entry requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// Completes at once.
    Nop = 0,
    /// Calls `interface`/`method` on `cap` with the `send` message; results arrive in `recv`.
    Call = 1,
    /// Receives the next call on the endpoint `cap` into `recv`.
    Recv = 2,
    /// Answers the call `token` with the `send` message, or, with [`SubmissionFlags::EXCEPTION`], with the
    /// error code in `method` and UTF-8 text in `send`.
    Return = 3,
    /// Empties the slot `cap`.
    Release = 4,
    /// Cancels the thread's outstanding operation whose user data is `token`.
    Cancel = 5,
    /// Copies `cap` within the table, with no more than `rights`; with [`SubmissionFlags::MINT`] makes a client
    /// capability with `badge` of an endpoint. The completion's `token` is the new handle, whose capability is
    /// derived from `cap`.
    Derive = 6,
    /// Revokes every capability derived from `cap`, in whichever process. `cap` itself stays.
    Revoke = 7,
    /// Returns in the completion the `badge` of the client capability `token` (a [`Handle`](crate::Handle)), if it
    /// belongs to the endpoint `cap`, which must have RECEIVE. Otherwise `NotFound`.
    Identify = 8,
}

impl Opcode {
    /// The opcode with this number, if there is one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::Nop,
            1 => Self::Call,
            2 => Self::Recv,
            3 => Self::Return,
            4 => Self::Release,
            5 => Self::Cancel,
            6 => Self::Derive,
            7 => Self::Revoke,
            8 => Self::Identify,
            _ => return None,
        })
    }
}

bitflags! {
    /// Flags of a submission.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct SubmissionFlags: u8 {
        /// Post no completion if the operation succeeds.
        const QUIET = 1 << 0;
        /// RETURN: the answer is an exception.
        const EXCEPTION = 1 << 1;
        /// DERIVE: make a badged client capability.
        const MINT = 1 << 2;
    }

    /// Flags of a completion.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct CompletionFlags: u16 {
        /// The `recv` buffer holds `length` bytes of UTF-8 text that describe the error.
        const EXCEPTION_TEXT = 1 << 0;
        /// Some capability that came with the message may belong to an endpoint that this process receives from;
        /// [`Opcode::Identify`] tells. Never absent if one does.
        const OWN_CAPABILITY = 1 << 1;
    }
}

/// One operation. Fields that an operation does not use must be zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubmissionEntry {
    /// An [`Opcode`].
    pub opcode: u8,
    /// [`SubmissionFlags`].
    pub flags: u8,
    /// CALL: method number. RETURN with EXCEPTION: an [`ErrorCode`](crate::ErrorCode) among `Failed`, `Overloaded`,
    /// `Disconnected`, `Unimplemented`.
    pub method: u16,
    /// DERIVE: [`Rights`](crate::Rights) to keep.
    pub rights: u32,
    /// Returned unchanged in the completion.
    pub user_data: u64,
    /// A [`Handle`](crate::Handle).
    pub cap: u64,
    /// CALL: the interface's Cap'n Proto type id.
    pub interface: u64,
    /// The message to send, in Cap'n Proto stream framing.
    pub send_address: u64,
    /// Its length in bytes, at most [`MAX_MESSAGE_BYTES`].
    pub send_length: u32,
    /// Number of [`CapDescriptor`]s at `send_caps`, at most [`MAX_MESSAGE_CAPS`].
    pub send_cap_count: u32,
    /// Address of the capability list that goes with the message.
    pub send_caps: u64,
    /// Address of the buffer for an incoming message.
    pub recv_address: u64,
    /// Size of that buffer, in bytes.
    pub recv_length: u32,
    /// Capacity of `recv_caps`, in handles.
    pub recv_cap_count: u32,
    /// Address of the buffer for the handles (`u64`) of incoming capabilities.
    pub recv_caps: u64,
    /// CALL, RECV: monotonic nanoseconds at which to give up; 0 for never.
    pub deadline_ns: u64,
    /// RETURN: reply token. CANCEL: user data of the operation to cancel. IDENTIFY: the client capability.
    pub token: u64,
    /// DERIVE with MINT: the badge.
    pub badge: u64,
    /// Must be zero.
    pub reserved: [u64; 3],
}

impl SubmissionEntry {
    /// An entry whose fields are all zero; a no-op.
    pub const NOP: Self = Self {
        opcode: 0,
        flags: 0,
        method: 0,
        rights: 0,
        user_data: 0,
        cap: 0,
        interface: 0,
        send_address: 0,
        send_length: 0,
        send_cap_count: 0,
        send_caps: 0,
        recv_address: 0,
        recv_length: 0,
        recv_cap_count: 0,
        recv_caps: 0,
        deadline_ns: 0,
        token: 0,
        badge: 0,
        reserved: [0; 3],
    };
}

/// The event that a completion reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum CompletionKind {
    /// The operation is done.
    Done = 0,
    /// RECV: a call arrived; answer it with `token`.
    Call = 1,
    /// RECV: the last client capability with `badge` is gone.
    BadgeDropped = 2,
    /// RECV: the caller of `token` no longer waits; the token is already invalid.
    CallCancelled = 3,
}

impl CompletionKind {
    /// The kind with this number, if there is one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u16) -> Option<Self> {
        Some(match raw {
            0 => Self::Done,
            1 => Self::Call,
            2 => Self::BadgeDropped,
            3 => Self::CallCancelled,
            _ => return None,
        })
    }
}

/// The result of one operation.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompletionEntry {
    /// From the submission.
    pub user_data: u64,
    /// 0, or an [`ErrorCode`](crate::ErrorCode).
    pub status: i32,
    /// [`CompletionFlags`].
    pub flags: u16,
    /// A [`CompletionKind`].
    pub kind: u16,
    /// Bytes written to the `recv` buffer (or needed, with `ResultTooLarge`).
    pub length: u32,
    /// Handles written to `recv_caps`.
    pub cap_count: u32,
    /// RECV: the reply token. DERIVE: the new handle.
    pub token: u64,
    /// RECV: the badge of the capability that was called or dropped. IDENTIFY: the capability's.
    pub badge: u64,
    /// RECV: the interface's type id.
    pub interface: u64,
    /// RECV: the method number.
    pub method: u16,
    /// Zero.
    pub reserved: [u16; 7],
}

/// The way a capability is transferred with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum TransferMode {
    /// The receiver gets a capability derived from the sender's.
    Copy = 0,
    /// The sender's slot is emptied when the message has been delivered; the receiver's capability takes its
    /// place in the derivation tree.
    Move = 1,
    /// The receiver gets a client capability of the sender's endpoint with `badge`.
    Mint = 2,
}

impl TransferMode {
    /// The mode with this number, if there is one.
    #[must_use]
    #[inline]
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Copy,
            1 => Self::Move,
            2 => Self::Mint,
            _ => return None,
        })
    }
}

/// One capability of a message.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapDescriptor {
    /// A [`Handle`](crate::Handle) of the sender; null sends a null capability.
    pub handle: u64,
    /// MINT: the badge.
    pub badge: u64,
    /// [`Rights`](crate::Rights) of the receiver's capability, limited to those of the sender's.
    pub rights: u32,
    /// A [`TransferMode`].
    pub mode: u32,
}

const _: () = {
    assert!(size_of::<RingHeader>() == 256);
    assert!(size_of::<SubmissionEntry>() == 128);
    assert!(offset_of!(SubmissionEntry, send_address) == 32);
    assert!(offset_of!(SubmissionEntry, deadline_ns) == 80);
    assert!(size_of::<CompletionEntry>() == 64);
    assert!(offset_of!(CompletionEntry, token) == 24);
    assert!(size_of::<CapDescriptor>() == 24);
    assert!(
        SUBMISSION_OFFSET + SUBMISSION_ENTRIES as usize * size_of::<SubmissionEntry>() == COMPLETION_OFFSET
    );
    assert!(COMPLETION_OFFSET + COMPLETION_ENTRIES as usize * size_of::<CompletionEntry>() == RING_BYTES);
};
