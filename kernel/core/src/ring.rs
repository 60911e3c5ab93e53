//! Converts what userspace wrote to a ring into a checked operation. Nothing in an entry is trusted.

use capos_abi::{
    COMPLETION_ENTRIES, ErrorCode, Handle, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, Rights,
    SUBMISSION_ENTRIES, SubmissionEntry, SubmissionFlags, USER_END,
};

use core::hint::cold_path;

pub mod plain;
#[cfg(test)]
mod tests;

/// The number of waiting submissions, from free-running indices.
///
/// # Errors
/// `BadRing` if that is more than the queue can hold.
#[inline]
pub const fn waiting_submissions(head: u32, tail: u32) -> Result<u32, ErrorCode> {
    let waiting = tail.wrapping_sub(head);
    if waiting <= SUBMISSION_ENTRIES { Ok(waiting) } else { Err(ErrorCode::BadRing) }
}

/// The number of unread completions, from free-running indices.
///
/// # Errors
/// `BadRing` if that is more than the queue can hold.
#[inline]
pub const fn unread_completions(head: u32, tail: u32) -> Result<u32, ErrorCode> {
    let unread = tail.wrapping_sub(head);
    if unread <= COMPLETION_ENTRIES { Ok(unread) } else { Err(ErrorCode::BadRing) }
}

/// A message to send: the location of its bytes and capability list in the sender's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outgoing {
    /// Address of the bytes.
    pub address: u64,
    /// Number of bytes.
    pub length: u32,
    /// Number of capability descriptors.
    pub cap_count: u32,
    /// Address of the first descriptor.
    pub caps: u64,
}

/// Buffers for a message to receive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Incoming {
    /// Address of the buffer for the bytes.
    pub address: u64,
    /// Size of that buffer in bytes.
    pub length: u32,
    /// Number of handles that fit.
    pub cap_count: u32,
    /// Address of the buffer for the handles.
    pub caps: u64,
}

/// A checked submission.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the fields are those of `capos_abi::SubmissionEntry`")]
pub enum Operation {
    Nop,
    Call {
        cap: Handle,
        interface: u64,
        method: u16,
        send: Outgoing,
        recv: Incoming,
        deadline_ns: u64,
    },
    Recv {
        cap: Handle,
        recv: Incoming,
        deadline_ns: u64,
    },
    Return {
        token: u64,
        send: Outgoing,
    },
    /// RETURN with the EXCEPTION flag: an error code and its text.
    Throw {
        token: u64,
        code: ErrorCode,
        text_address: u64,
        text_length: u32,
    },
    Release {
        cap: Handle,
    },
    Cancel {
        user_data: u64,
    },
    Derive {
        cap: Handle,
        rights: Rights,
    },
    Mint {
        cap: Handle,
        rights: Rights,
        badge: u64,
    },
    Revoke {
        cap: Handle,
    },
    Identify {
        endpoint: Handle,
        client: Handle,
    },
}

/// Whether `length` bytes at `address` are below the end of user space. An empty range is accepted at any
/// address.
#[inline]
const fn in_user_space(address: u64, length: u64) -> bool {
    length == 0 || (address < USER_END && length <= USER_END - address)
}

/// The 64-bit words of a submission entry. Userspace may change an entry in its ring at
/// any time, so every word that is checked is read only once.
pub trait EntryWords {
    /// The word at `index`, which is below [`ENTRY_WORDS`].
    fn word(&self, index: usize) -> u64;
}

/// Number of words in an entry.
pub const ENTRY_WORDS: usize = size_of::<SubmissionEntry>() / size_of::<u64>();

/// Indices of the words that contain the fields of an entry.
mod word {
    use super::SubmissionEntry as Entry;
    use core::mem::offset_of;

    pub(super) const HEAD: usize = 0;
    pub(super) const USER_DATA: usize = offset_of!(Entry, user_data) / 8;
    pub(super) const CAP: usize = offset_of!(Entry, cap) / 8;
    pub(super) const INTERFACE: usize = offset_of!(Entry, interface) / 8;
    pub(super) const SEND: usize = offset_of!(Entry, send_address) / 8;
    pub(super) const SEND_COUNTS: usize = offset_of!(Entry, send_length) / 8;
    pub(super) const SEND_CAPS: usize = offset_of!(Entry, send_caps) / 8;
    pub(super) const RECV: usize = offset_of!(Entry, recv_address) / 8;
    pub(super) const RECV_COUNTS: usize = offset_of!(Entry, recv_length) / 8;
    pub(super) const RECV_CAPS: usize = offset_of!(Entry, recv_caps) / 8;
    pub(super) const DEADLINE: usize = offset_of!(Entry, deadline_ns) / 8;
    pub(super) const TOKEN: usize = offset_of!(Entry, token) / 8;
    pub(super) const BADGE: usize = offset_of!(Entry, badge) / 8;

    // The halves of words that contain two counts, and the fields of the first word.
    const _: () = {
        assert!(offset_of!(Entry, send_cap_count) == offset_of!(Entry, send_length) + 4);
        assert!(offset_of!(Entry, recv_cap_count) == offset_of!(Entry, recv_length) + 4);
        assert!(SEND_COUNTS * 8 == offset_of!(Entry, send_length));
        assert!(RECV_COUNTS * 8 == offset_of!(Entry, recv_length));
        assert!(offset_of!(Entry, opcode) == 0 && offset_of!(Entry, flags) == 1);
        assert!(offset_of!(Entry, method) == 2 && offset_of!(Entry, rights) == 4);
    };
}

impl EntryWords for SubmissionEntry {
    fn word(&self, index: usize) -> u64 {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        match index {
            word::HEAD => {
                let half = u32::from(self.opcode) | u32::from(self.flags) << 8 | u32::from(self.method) << 16;
                pair(half, self.rights)
            }
            word::USER_DATA => self.user_data,
            word::CAP => self.cap,
            word::INTERFACE => self.interface,
            word::SEND => self.send_address,
            word::SEND_COUNTS => pair(self.send_length, self.send_cap_count),
            word::SEND_CAPS => self.send_caps,
            word::RECV => self.recv_address,
            word::RECV_COUNTS => pair(self.recv_length, self.recv_cap_count),
            word::RECV_CAPS => self.recv_caps,
            word::DEADLINE => self.deadline_ns,
            word::TOKEN => self.token,
            word::BADGE => self.badge,
            _ => {
                index.checked_sub(word::BADGE + 1).and_then(|at| self.reserved.get(at)).copied().unwrap_or(0)
            }
        }
    }
}

/// The word that is returned in the completion of an entry, whatever the entry's other content.
#[inline(always)]
pub fn user_data(entry: &impl EntryWords) -> u64 {
    entry.word(word::USER_DATA)
}

#[inline(always)]
fn outgoing(entry: &impl EntryWords) -> Result<Outgoing, ErrorCode> {
    let counts = entry.word(word::SEND_COUNTS);
    let (length, cap_count) = (counts as u32, (counts >> 32) as u32);
    let address = entry.word(word::SEND);
    let caps = entry.word(word::SEND_CAPS);
    if length > MAX_MESSAGE_BYTES {
        cold_path();
        return Err(ErrorCode::MessageTooLarge);
    }
    if cap_count > MAX_MESSAGE_CAPS {
        cold_path();
        return Err(ErrorCode::BadCapabilityList);
    }
    if !in_user_space(address, length as u64) || !in_user_space(caps, cap_count as u64 * 24) {
        cold_path();
        return Err(ErrorCode::BadAddress);
    }
    Ok(Outgoing { address, length, cap_count, caps })
}

#[inline(always)]
fn incoming(entry: &impl EntryWords) -> Result<Incoming, ErrorCode> {
    let counts = entry.word(word::RECV_COUNTS);
    // Buffer sizes beyond what a message can need are reduced to that, so that the sums below stay small.
    let length = (counts as u32).min(MAX_MESSAGE_BYTES);
    let cap_count = ((counts >> 32) as u32).min(MAX_MESSAGE_CAPS);
    let address = entry.word(word::RECV);
    let caps = entry.word(word::RECV_CAPS);
    if !in_user_space(address, length as u64) || !in_user_space(caps, cap_count as u64 * 8) {
        cold_path();
        return Err(ErrorCode::BadAddress);
    }
    Ok(Incoming { address, length, cap_count, caps })
}

/// Groups of words that an operation uses, as bits by index.
mod group {
    use super::word::*;

    pub(super) const CAP: u32 = 1 << super::word::CAP;
    pub(super) const INTERFACE: u32 = 1 << super::word::INTERFACE;
    pub(super) const SEND: u32 = 1 << super::word::SEND | 1 << SEND_COUNTS | 1 << SEND_CAPS;
    pub(super) const RECV: u32 = 1 << super::word::RECV | 1 << RECV_COUNTS | 1 << RECV_CAPS;
    pub(super) const DEADLINE: u32 = 1 << super::word::DEADLINE;
    pub(super) const TOKEN: u32 = 1 << super::word::TOKEN;
    pub(super) const BADGE: u32 = 1 << super::word::BADGE;
}

/// Bits of the first word that are used besides opcode and flags.
const METHOD: u64 = 0xffff_0000;
const RIGHTS: u64 = 0xffff_ffff_0000_0000;

/// Whether every word outside the used ones is zero, no flag is set except those `allowed`, and no other bit of the
/// first word outside opcode and `head_used` is set. All of them are or-ed first, so that the usual case costs one
/// branch.
#[inline(always)]
fn check_unused<const USED: u32>(
    entry: &impl EntryWords,
    head: u64,
    allowed: SubmissionFlags,
    head_used: u64,
) -> Result<SubmissionFlags, ErrorCode> {
    let mut rest = head & !(0xff | (allowed.bits() as u64) << 8 | head_used);
    // Written out, because the compiler does not unroll a loop of volatile reads.
    macro_rules! unless_used {
        ($($index:literal)*) => {
            $(if USED & 1 << $index == 0 {
                rest |= entry.word($index);
            })*
        };
    }
    const _: () = assert!(word::CAP == 2 && ENTRY_WORDS == 16);
    unless_used!(2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    if rest == 0 {
        Ok(flags(head))
    } else {
        cold_path();
        Err(ErrorCode::InvalidArgument)
    }
}

#[inline(always)]
const fn flags(head: u64) -> SubmissionFlags {
    SubmissionFlags::from_bits_truncate((head >> 8) as u8)
}

/// Checks an entry. Returns the operation and the flags.
///
/// # Errors
/// `InvalidOpcode`, `InvalidArgument`, `MessageTooLarge`, `BadCapabilityList` or `BadAddress`.
#[inline(always)]
pub fn parse(entry: &impl EntryWords) -> Result<(Operation, SubmissionFlags), ErrorCode> {
    const NONE: SubmissionFlags = SubmissionFlags::empty();
    const QUIET: SubmissionFlags = SubmissionFlags::QUIET;
    let head = entry.word(word::HEAD);
    let Some(opcode) = Opcode::from_raw(head as u8) else {
        cold_path();
        return Err(ErrorCode::InvalidOpcode);
    };
    let method = (head >> 16) as u16;
    let cap = || Handle(entry.word(word::CAP));
    Ok(match opcode {
        Opcode::Call => {
            const USED: u32 = group::CAP | group::INTERFACE | group::SEND | group::RECV | group::DEADLINE;
            let flags = check_unused::<USED>(entry, head, QUIET, METHOD)?;
            let call = Operation::Call {
                cap: cap(),
                interface: entry.word(word::INTERFACE),
                method,
                send: outgoing(entry)?,
                recv: incoming(entry)?,
                deadline_ns: entry.word(word::DEADLINE),
            };
            (call, flags)
        }
        Opcode::Recv => {
            let flags = check_unused::<{ group::CAP | group::RECV | group::DEADLINE }>(entry, head, NONE, 0)?;
            let deadline_ns = entry.word(word::DEADLINE);
            (Operation::Recv { cap: cap(), recv: incoming(entry)?, deadline_ns }, flags)
        }
        Opcode::Return if flags(head).contains(SubmissionFlags::EXCEPTION) => {
            let allowed = QUIET.union(SubmissionFlags::EXCEPTION);
            let flags = check_unused::<{ group::SEND | group::TOKEN }>(entry, head, allowed, METHOD)?;
            let send = outgoing(entry)?;
            if send.cap_count != 0 {
                return Err(ErrorCode::BadCapabilityList);
            }
            let code = exception_code(method)?;
            let token = entry.word(word::TOKEN);
            let (text_address, text_length) = (send.address, send.length);
            (Operation::Throw { token, code, text_address, text_length }, flags)
        }
        Opcode::Return => {
            let flags = check_unused::<{ group::SEND | group::TOKEN }>(entry, head, QUIET, 0)?;
            (Operation::Return { token: entry.word(word::TOKEN), send: outgoing(entry)? }, flags)
        }
        Opcode::Nop => (Operation::Nop, check_unused::<0>(entry, head, QUIET, 0)?),
        Opcode::Release => {
            let flags = check_unused::<{ group::CAP }>(entry, head, QUIET, 0)?;
            (Operation::Release { cap: cap() }, flags)
        }
        Opcode::Cancel => {
            let flags = check_unused::<{ group::TOKEN }>(entry, head, QUIET, 0)?;
            (Operation::Cancel { user_data: entry.word(word::TOKEN) }, flags)
        }
        // The new handle is returned in the completion, so there must be one.
        Opcode::Derive => {
            let rights = Rights::from_bits_truncate((head >> 32) as u32);
            if flags(head).contains(SubmissionFlags::MINT) {
                const USED: u32 = group::CAP | group::BADGE;
                let flags = check_unused::<USED>(entry, head, SubmissionFlags::MINT, RIGHTS)?;
                (Operation::Mint { cap: cap(), rights, badge: entry.word(word::BADGE) }, flags)
            } else {
                let flags = check_unused::<{ group::CAP }>(entry, head, NONE, RIGHTS)?;
                (Operation::Derive { cap: cap(), rights }, flags)
            }
        }
        Opcode::Revoke => {
            let flags = check_unused::<{ group::CAP }>(entry, head, QUIET, 0)?;
            (Operation::Revoke { cap: cap() }, flags)
        }
        // The badge is returned in the completion, so there must be one.
        Opcode::Identify => {
            let flags = check_unused::<{ group::CAP | group::TOKEN }>(entry, head, NONE, 0)?;
            (Operation::Identify { endpoint: cap(), client: Handle(entry.word(word::TOKEN)) }, flags)
        }
    })
}

/// The error codes that a server may return.
fn exception_code(raw: u16) -> Result<ErrorCode, ErrorCode> {
    match ErrorCode::from_raw(raw as i32) {
        Some(
            code @ (ErrorCode::Failed
            | ErrorCode::Overloaded
            | ErrorCode::Disconnected
            | ErrorCode::Unimplemented),
        ) => Ok(code),
        _ => Err(ErrorCode::InvalidArgument),
    }
}
