//! Checks the entries of most calls with few comparisons: no capabilities are sent, there is no deadline, and no
//! address or length is near a limit. All other entries, valid or not, are left to [`super::parse`].

use super::{EntryWords, Incoming, METHOD, Outgoing, word};
use capos_abi::{Handle, MAX_MESSAGE_BYTES, MAX_MESSAGE_CAPS, Opcode, SubmissionFlags, USER_END};
use core::hint::cold_path;

/// A CALL. Words that need no check are read where they are used.
#[derive(Clone, Copy, Debug)]
pub struct Call<E> {
    entry: E,
    pub(crate) cap: Handle,
    pub(crate) method: u16,
    pub(crate) send: Outgoing,
    pub(crate) recv: Incoming,
}

impl<E: EntryWords> Call<E> {
    #[inline(always)]
    pub(crate) fn user_data(&self) -> u64 {
        self.entry.word(word::USER_DATA)
    }

    #[inline(always)]
    pub(crate) fn interface(&self) -> u64 {
        self.entry.word(word::INTERFACE)
    }
}

/// A RETURN that posts no completion, with the RECV for the next call.
#[derive(Clone, Copy, Debug)]
pub struct Answer<E> {
    next: E,
    pub(crate) token: u64,
    pub(crate) send: Outgoing,
    pub(crate) cap: Handle,
    pub(crate) recv: Incoming,
}

impl<E: EntryWords> Answer<E> {
    /// The user data of the RECV.
    #[inline(always)]
    pub(crate) fn user_data(&self) -> u64 {
        self.next.word(word::USER_DATA)
    }
}

/// From any address below this one, the longest message fits before the end of user space.
const FAR_FROM_END: u64 = USER_END - MAX_MESSAGE_BYTES as u64;
const _: () = assert!(MAX_MESSAGE_CAPS * 8 * 2 <= MAX_MESSAGE_BYTES);

/// The bits that the counts of sufficiently small buffers may use. Sizes up to twice the longest message do no
/// harm, since no message is longer.
const ROOM: u64 = (2 * MAX_MESSAGE_BYTES - 1) as u64 | (2 * MAX_MESSAGE_CAPS as u64 - 1) << 32;
const _: () = assert!(MAX_MESSAGE_BYTES.is_power_of_two() && MAX_MESSAGE_CAPS.is_power_of_two());

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
    let (address, caps) = (entry.word(word::RECV), entry.word(word::RECV_CAPS));
    if address >= FAR_FROM_END || caps >= FAR_FROM_END {
        cold_path();
        return None;
    }
    if counts & !ROOM != 0 {
        cold_path();
        return None;
    }
    Some(Incoming { address, length: counts as u32, cap_count: (counts >> 32) as u32, caps })
}

/// The CALL, if it is a plain one.
#[inline(always)]
pub fn call<E: EntryWords>(entry: E) -> Option<Call<E>> {
    let head = entry.word(word::HEAD);
    // Many entries have another opcode or send capabilities: those are sorted out first.
    if (head & !METHOD) != Opcode::Call as u64 {
        return None;
    }
    let send = outgoing(&entry)?;
    let mut rest = entry.word(word::DEADLINE) | entry.word(word::TOKEN) | entry.word(word::BADGE);
    rest |= entry.word(13) | entry.word(14) | entry.word(15);
    if rest != 0 {
        cold_path();
        return None;
    }
    let recv = incoming(&entry)?;
    Some(Call { cap: Handle(entry.word(word::CAP)), method: (head >> 16) as u16, send, recv, entry })
}

/// Two entries that are a RETURN without a completion and a RECV, in either order, if they are plain. No call can be
/// received between them, so the order does not matter.
#[inline(always)]
pub fn answer<E: EntryWords>(first: E, second: E) -> Option<Answer<E>> {
    let (answer, next) = match (first.word(word::HEAD), second.word(word::HEAD)) {
        (QUIET_RETURN, RECV) => (first, second),
        (RECV, QUIET_RETURN) => (second, first),
        _ => return None,
    };
    let mut rest = answer.word(word::CAP) | answer.word(word::INTERFACE);
    rest |= answer.word(word::RECV) | answer.word(word::RECV_COUNTS) | answer.word(word::RECV_CAPS);
    rest |= answer.word(word::DEADLINE) | answer.word(word::BADGE);
    rest |= answer.word(13) | answer.word(14) | answer.word(15);
    rest |= next.word(word::INTERFACE);
    rest |= next.word(word::SEND) | next.word(word::SEND_COUNTS) | next.word(word::SEND_CAPS);
    rest |= next.word(word::DEADLINE) | next.word(word::TOKEN) | next.word(word::BADGE);
    rest |= next.word(13) | next.word(14) | next.word(15);
    if rest != 0 {
        cold_path();
        return None;
    }
    let (send, recv) = (outgoing(&answer)?, incoming(&next)?);
    Some(Answer { token: answer.word(word::TOKEN), send, cap: Handle(next.word(word::CAP)), recv, next })
}

const _: () = assert!(word::BADGE == 12 && super::ENTRY_WORDS == 16);
