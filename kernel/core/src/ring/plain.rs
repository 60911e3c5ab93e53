//! The entries of nearly every call, checked with few comparisons: no capability is sent, nothing has a deadline, and no
//! address or length is near a bound. Other entries, valid or not, are for [`super::parse`].

use super::{EntryWords, Incoming, METHOD, Outgoing, word};
use capos_abi::{Handle, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, SubmissionFlags, USER_END};
use core::hint::cold_path;

/// A CALL.
pub(crate) struct Call {
    pub(crate) cap: Handle,
    pub(crate) interface: u64,
    pub(crate) method: u16,
    pub(crate) send: Outgoing,
    pub(crate) recv: Incoming,
}

/// Addresses below this one have room for the longest message.
const FAR_FROM_END: u64 = USER_END - MAX_MESSAGE_BYTES as u64;
const _: () = assert!(MAX_MESSAGE_CAPS * 8 <= MAX_MESSAGE_BYTES);

/// The first word of a RETURN that posts no completion, and of a RECV.
const QUIET_RETURN: u64 = Opcode::Return as u64 | (SubmissionFlags::QUIET.bits() as u64) << 8;
const RECV: u64 = Opcode::Recv as u64;

#[inline(always)]
fn outgoing(entry: &impl EntryWords) -> Option<Outgoing> {
    // The upper half is the number of capabilities.
    let counts = entry.word(word::SEND_COUNTS);
    let address = entry.word(word::SEND);
    if counts > u64::from(MAX_MESSAGE_BYTES) || address >= FAR_FROM_END {
        cold_path();
        return None;
    }
    Some(Outgoing { address, length: counts as u32, cap_count: 0, caps: 0 })
}

#[inline(always)]
fn incoming(entry: &impl EntryWords) -> Option<Incoming> {
    let counts = entry.word(word::RECV_COUNTS);
    let (length, cap_count) = (counts as u32, (counts >> 32) as u32);
    let (address, caps) = (entry.word(word::RECV), entry.word(word::RECV_CAPS));
    let is_far = address < FAR_FROM_END && caps < FAR_FROM_END;
    if length > MAX_MESSAGE_BYTES || cap_count > MAX_MESSAGE_CAPS || !is_far {
        cold_path();
        return None;
    }
    Some(Incoming { address, length, cap_count, caps })
}

/// The CALL, if it is a plain one.
#[inline(always)]
pub(crate) fn call(entry: &impl EntryWords) -> Option<Call> {
    let head = entry.word(word::HEAD);
    let mut rest = (head & !METHOD) ^ Opcode::Call as u64;
    rest |= entry.word(word::DEADLINE) | entry.word(word::TOKEN) | entry.word(word::BADGE);
    rest |= entry.word(13) | entry.word(14) | entry.word(15);
    if rest != 0 {
        cold_path();
        return None;
    }
    Some(Call {
        cap: Handle(entry.word(word::CAP)),
        interface: entry.word(word::INTERFACE),
        method: (head >> 16) as u16,
        send: outgoing(entry)?,
        recv: incoming(entry)?,
    })
}

/// Token and results of the RETURN, if it is a plain one that posts no completion.
#[inline(always)]
pub(crate) fn quiet_return(entry: &impl EntryWords) -> Option<(u64, Outgoing)> {
    let mut rest = entry.word(word::HEAD) ^ QUIET_RETURN;
    rest |= entry.word(word::CAP) | entry.word(word::INTERFACE);
    rest |= entry.word(word::RECV) | entry.word(word::RECV_COUNTS) | entry.word(word::RECV_CAPS);
    rest |= entry.word(word::DEADLINE) | entry.word(word::BADGE);
    rest |= entry.word(13) | entry.word(14) | entry.word(15);
    if rest != 0 {
        cold_path();
        return None;
    }
    Some((entry.word(word::TOKEN), outgoing(entry)?))
}

/// Capability and room of the RECV, if it is a plain one.
#[inline(always)]
pub(crate) fn recv(entry: &impl EntryWords) -> Option<(Handle, Incoming)> {
    let mut rest = entry.word(word::HEAD) ^ RECV;
    rest |= entry.word(word::INTERFACE);
    rest |= entry.word(word::SEND) | entry.word(word::SEND_COUNTS) | entry.word(word::SEND_CAPS);
    rest |= entry.word(word::DEADLINE) | entry.word(word::TOKEN) | entry.word(word::BADGE);
    rest |= entry.word(13) | entry.word(14) | entry.word(15);
    if rest != 0 {
        cold_path();
        return None;
    }
    Some((Handle(entry.word(word::CAP)), incoming(entry)?))
}

const _: () = assert!(word::BADGE == 12 && super::ENTRY_WORDS == 16);
