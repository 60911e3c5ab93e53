//! Invalid pointers and lengths.

use crate::handles::{EMPTY_MESSAGE, call};
use crate::raw::{bootstrap, grant, run, syscall};
use crate::ring_entries::error_of;
use capnp::traits::HasTypeId;
use capos_abi::{BOOTSTRAP_ADDRESS, MAX_MESSAGE_BYTES, SubmissionEntry, Syscall, USER_END};
use capos_schema::{console_capnp::console, timer_capnp::timer};

const KERNEL_ADDRESS: u64 = 0xffff_ffff_8010_0000;
const NON_CANONICAL: u64 = 0x8000_0000_0000_0000;
const UNMAPPED: u64 = 0x6000_0000_0000;

fn send_from(address: u64, length: u32) -> i32 {
    let entry = call(grant(0), console::Client::TYPE_ID, 0);
    run(SubmissionEntry { send_address: address, send_length: length, ..entry }).status
}

/// `Timer.now` with its result going to `address`.
fn receive_at(address: u64, length: u32) -> i32 {
    let entry = call(grant(1), timer::Client::TYPE_ID, 0);
    run(SubmissionEntry { recv_address: address, recv_length: length, ..entry }).status
}

pub(crate) fn send_from_kernel() -> i32 {
    send_from(KERNEL_ADDRESS, 16)
}

pub(crate) fn send_from_null() -> i32 {
    send_from(0, 16)
}

pub(crate) fn send_from_unmapped() -> i32 {
    send_from(UNMAPPED, 16)
}

pub(crate) fn send_from_non_canonical() -> i32 {
    send_from(NON_CANONICAL, 16)
}

pub(crate) fn send_wraps_around() -> i32 {
    send_from(u64::MAX - 7, 16)
}

pub(crate) fn send_crosses_user_end() -> i32 {
    send_from(USER_END - 8, 16)
}

pub(crate) fn send_over_limit() -> i32 {
    send_from(EMPTY_MESSAGE.as_ptr() as u64, MAX_MESSAGE_BYTES + 8)
}

pub(crate) fn receive_into_kernel() -> i32 {
    receive_at(KERNEL_ADDRESS, 4096)
}

pub(crate) fn receive_into_read_only() -> i32 {
    receive_at(BOOTSTRAP_ADDRESS, 4096)
}

pub(crate) fn receive_into_text() -> i32 {
    receive_at(receive_into_text as *const () as u64 & !7, 4096)
}

pub(crate) fn receive_into_unmapped() -> i32 {
    receive_at(UNMAPPED, 4096)
}

pub(crate) fn receive_too_small() -> i32 {
    let mut room = [0_u64; 1];
    receive_at(room.as_mut_ptr() as u64, 8)
}

pub(crate) fn capability_list_unmapped() -> i32 {
    let entry = call(grant(0), console::Client::TYPE_ID, 0);
    run(SubmissionEntry { send_caps: UNMAPPED, send_cap_count: 3, ..entry }).status
}

pub(crate) fn futex_in_kernel() -> i32 {
    error_of(syscall(Syscall::FutexWait as u64, KERNEL_ADDRESS, 0, 0))
}

pub(crate) fn futex_unaligned() -> i32 {
    error_of(syscall(Syscall::FutexWait as u64, BOOTSTRAP_ADDRESS + 1, 0, 0))
}

pub(crate) fn fault_return_from_unmapped() -> i32 {
    error_of(syscall(Syscall::FaultReturn as u64, UNMAPPED, 0, 0))
}

/// A resumed state with kernel addresses is refused.
pub(crate) fn fault_return_to_kernel() -> i32 {
    let frame = capos_abi::FaultFrame { rip: KERNEL_ADDRESS, rsp: 0x1000, ..Default::default() };
    error_of(syscall(Syscall::FaultReturn as u64, (&raw const frame) as u64, 0, 0))
}

/// Returning to a non-canonical address with SYSRET faults in kernel mode on some processors.
pub(crate) fn fault_return_non_canonical() -> i32 {
    let frame = capos_abi::FaultFrame { rip: 0x0000_8000_0000_0000, rsp: 0x1000, ..Default::default() };
    error_of(syscall(Syscall::FaultReturn as u64, (&raw const frame) as u64, 0, 0))
}

/// The join word of an ending thread may be any value.
pub(crate) fn thread_exit_word_in_kernel() -> i32 {
    // The only thread ends, so the process ends with status 0 and the word is ignored.
    error_of(syscall(Syscall::ThreadExit as u64, KERNEL_ADDRESS, 0, 0))
}

/// The bootstrap header is as the kernel wrote it, and read-only.
pub(crate) fn bootstrap_is_intact() -> i32 {
    i32::from(bootstrap().magic != capos_abi::BootstrapHeader::MAGIC)
}
