//! The maximum that one kernel entry accepts, of operations whose time is proportional to length.

use crate::calls::words;
use crate::handles::call;
use crate::raw::{cap_enter, grant, pop, push};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{CapDescriptor, MAX_MESSAGE_CAPS, Opcode, SubmissionEntry, TransferMode};
use capos_schema::{
    console_capnp::console,
    entropy_capnp::{MAX_FILL_BYTES, entropy_source},
    timer_capnp::timer,
};

/// Entries of one submission.
const ENTRIES: u32 = 32;
/// Indices of these cases' grants.
const CONSOLE: u32 = 0;
const TIMER: u32 = 1;
const LOG: u32 = 2;
const ENTROPY: u32 = 3;

/// Submits the same entry many times and expects each to succeed.
fn flood(entry: SubmissionEntry) -> i32 {
    (0..ENTRIES).for_each(|_| push(entry));
    if cap_enter(ENTRIES, ENTRIES) < 0 {
        return 90;
    }
    let mut done = 0;
    while let Some(completion) = pop() {
        if completion.status != 0 {
            return completion.status;
        }
        done += 1;
    }
    if done == ENTRIES { 0 } else { 91 }
}

fn sends(words: &[u64], to: SubmissionEntry) -> SubmissionEntry {
    SubmissionEntry { send_address: words.as_ptr() as u64, send_length: words.len() as u32 * 8, ..to }
}

/// Writes a mebibyte to a console.
fn write_flood(to: u64) -> i32 {
    let mut message = Builder::new_default();
    message.init_root::<console::write_params::Builder<'_>>().set_bytes(&[b'x'; 32768]);
    let mut room = [0_u64; 8];
    let write = SubmissionEntry {
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 64,
        ..call(to, console::Client::TYPE_ID, 0)
    };
    flood(sends(&words(&message), write))
}

/// Writes a mebibyte to the log.
pub(crate) fn log_flood() -> i32 {
    write_flood(grant(LOG))
}

/// Writes a mebibyte to the console.
pub(crate) fn console_flood() -> i32 {
    write_flood(grant(CONSOLE))
}

/// Draws the maximum at once, many times.
pub(crate) fn entropy_flood() -> i32 {
    let mut message = Builder::new_default();
    message.init_root::<entropy_source::fill_params::Builder<'_>>().set_length(MAX_FILL_BYTES);
    let room = vec![0_u64; 512].leak();
    let draw = SubmissionEntry {
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 4096,
        ..call(grant(ENTROPY), entropy_source::Client::TYPE_ID, 0)
    };
    flood(sends(&words(&message), draw))
}

/// Sends the longest messages, to an object that ignores them.
pub(crate) fn message_flood() -> i32 {
    let words = vec![0_u64; 8192];
    let mut message = Builder::new_default();
    message.init_root::<timer::now_params::Builder<'_>>();
    let mut start = crate::calls::words(&message);
    start.extend(&words);
    start.truncate(8192);
    let mut room = [0_u64; 8];
    let now = SubmissionEntry {
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 64,
        ..call(grant(TIMER), timer::Client::TYPE_ID, 0)
    };
    flood(sends(&start, now))
}

/// Sends the maximum number of capabilities per message, to itself, with the maximum number of messages.
pub(crate) fn capability_flood() -> i32 {
    let (endpoint, client) = crate::sharing::endpoint();
    let list = [CapDescriptor { handle: client, badge: 0, rights: u32::MAX, mode: TransferMode::Copy as u32 };
        MAX_MESSAGE_CAPS as usize];
    let mut handles = [0_u64; MAX_MESSAGE_CAPS as usize];
    let mut room = [0_u64; 2];
    for _ in 0..ENTRIES / 2 {
        push(SubmissionEntry {
            opcode: Opcode::Recv as u8,
            cap: endpoint,
            recv_address: room.as_mut_ptr() as u64,
            recv_length: 16,
            recv_caps: handles.as_mut_ptr() as u64,
            recv_cap_count: MAX_MESSAGE_CAPS,
            ..Default::default()
        });
    }
    for _ in 0..ENTRIES / 2 {
        push(SubmissionEntry {
            send_caps: list.as_ptr() as u64,
            send_cap_count: MAX_MESSAGE_CAPS,
            ..call(client, 1, 0)
        });
    }
    if cap_enter(ENTRIES, ENTRIES / 2) < 0 {
        return 90;
    }
    let mut received = 0;
    while let Some(completion) = pop() {
        if completion.status != 0 {
            return completion.status;
        }
        received += completion.cap_count;
    }
    if received == ENTRIES / 2 * MAX_MESSAGE_CAPS { 0 } else { 91 }
}
