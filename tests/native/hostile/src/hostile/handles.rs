//! Handles that name nothing, another object, or an object that this process may not use in that way.

use crate::calls;
use crate::raw::{bootstrap, cap_enter, grant, poke, push, run};
use capnp::traits::HasTypeId;
use capos_abi::{Handle, Opcode, Rights, SubmissionEntry, SubmissionFlags};
use capos_schema::{
    console_capnp::console, endpoint_capnp::endpoint_factory, memory_capnp::virtual_memory,
    process_capnp::thread_spawner, timer_capnp::timer,
};

/// An empty message in stream framing: one segment of one word, a null root pointer.
pub(crate) static EMPTY_MESSAGE: [u64; 2] = [0x0000_0001_0000_0000, 0];

/// A call with an empty message and no space for results.
pub(crate) fn call(cap: u64, interface: u64, method: u16) -> SubmissionEntry {
    SubmissionEntry {
        opcode: Opcode::Call as u8,
        cap,
        interface,
        method,
        send_address: EMPTY_MESSAGE.as_ptr() as u64,
        send_length: 16,
        ..Default::default()
    }
}

pub(crate) fn release(cap: u64) -> i32 {
    run(SubmissionEntry { opcode: Opcode::Release as u8, cap, ..Default::default() }).status
}

pub(crate) fn derive(cap: u64, rights: Rights) -> SubmissionEntry {
    SubmissionEntry { opcode: Opcode::Derive as u8, cap, rights: rights.bits(), ..Default::default() }
}

pub(crate) fn out_of_range() -> i32 {
    run(call(Handle::new(0x00ff_fff0, 1).0, console::Client::TYPE_ID, 0)).status
}

pub(crate) fn null_handle() -> i32 {
    run(call(0, console::Client::TYPE_ID, 0)).status
}

pub(crate) fn stale() -> i32 {
    let copy = run(derive(grant(0), Rights::all()));
    if copy.status != 0 {
        return 100 + copy.status;
    }
    if release(copy.token) != 0 {
        return 200;
    }
    run(call(copy.token, console::Client::TYPE_ID, 0)).status
}

/// A reused slot must not answer to its old handle.
pub(crate) fn stale_after_reuse() -> i32 {
    let first = run(derive(grant(0), Rights::all()));
    release(first.token);
    let second = run(derive(grant(0), Rights::all()));
    if second.status != 0 || second.token == first.token {
        return 100;
    }
    run(call(first.token, console::Client::TYPE_ID, 0)).status
}

pub(crate) fn revoked() -> i32 {
    let copy = run(derive(grant(0), Rights::all()));
    let revoke =
        run(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: grant(0), ..Default::default() }).status;
    if revoke != 0 {
        return 100 + revoke;
    }
    run(call(copy.token, console::Client::TYPE_ID, 0)).status
}

pub(crate) fn wrong_interface() -> i32 {
    run(call(grant(0), timer::Client::TYPE_ID, 0)).status
}

pub(crate) fn wrong_method() -> i32 {
    run(call(grant(0), console::Client::TYPE_ID, 9999)).status
}

pub(crate) fn right_not_held() -> i32 {
    let reader = run(derive(grant(0), Rights::READ));
    if reader.status != 0 {
        return 100 + reader.status;
    }
    run(call(reader.token, console::Client::TYPE_ID, 0)).status
}

/// A copy that requests more rights than its source gets no more.
pub(crate) fn rights_never_grow() -> i32 {
    let reader = run(derive(grant(0), Rights::READ));
    let again = run(derive(reader.token, Rights::all()));
    if again.status != 0 {
        return 100 + again.status;
    }
    run(call(again.token, console::Client::TYPE_ID, 0)).status
}

/// A read-only copy cannot modify, whatever the object is.
pub(crate) fn looking_changes_nothing() -> i32 {
    let own = bootstrap();
    let changes = [
        (own.virtual_memory, virtual_memory::Client::TYPE_ID),
        (own.thread_spawner, thread_spawner::Client::TYPE_ID),
        (own.endpoint_factory, endpoint_factory::Client::TYPE_ID),
    ];
    let statuses = changes.map(|(handle, interface)| {
        let copy = run(derive(handle, Rights::READ.union(Rights::EXECUTE).union(Rights::TRANSFER)));
        if copy.status == 0 { run(call(copy.token, interface, 0)).status } else { 100 + copy.status }
    });
    if statuses == [statuses[0]; 3] { statuses[0] } else { 99 }
}

/// A write-only copy cannot read.
pub(crate) fn changing_is_not_looking() -> i32 {
    let copy = run(derive(grant(1), Rights::WRITE));
    if copy.status != 0 {
        return 100 + copy.status;
    }
    run(call(copy.token, timer::Client::TYPE_ID, 0)).status
}

pub(crate) fn receive_on_console() -> i32 {
    let mut room = [0_u64; 8];
    run(SubmissionEntry {
        opcode: Opcode::Recv as u8,
        cap: grant(0),
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 64,
        ..Default::default()
    })
    .status
}

pub(crate) fn mint_of_console() -> i32 {
    let mint = SubmissionFlags::MINT.bits();
    run(SubmissionEntry { flags: mint, badge: 5, ..derive(grant(0), Rights::all()) }).status
}

pub(crate) fn release_twice() -> i32 {
    let copy = run(derive(grant(0), Rights::all()));
    release(copy.token);
    release(copy.token)
}

/// Releasing its own address space must harm neither the process nor the kernel.
pub(crate) fn release_own_virtual_memory() -> i32 {
    release(bootstrap().virtual_memory)
}

fn identify(endpoint: u64, client: u64) -> SubmissionEntry {
    SubmissionEntry { opcode: Opcode::Identify as u8, cap: endpoint, token: client, ..Default::default() }
}

/// A new endpoint's handle, or the error.
fn endpoint() -> Result<u64, i32> {
    let mut room = [0_u64; 8];
    let mut handle = [0_u64; 1];
    let made = run(SubmissionEntry {
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 64,
        recv_caps: handle.as_mut_ptr() as u64,
        recv_cap_count: 1,
        ..call(bootstrap().endpoint_factory, endpoint_factory::Client::TYPE_ID, 0)
    });
    match made.status {
        0 => Ok(core::hint::black_box(handle)[0]),
        status => Err(100 + status),
    }
}

/// Only a receiver of an endpoint may identify its badges.
pub(crate) fn identify_without_receive() -> i32 {
    let Ok(endpoint) = endpoint() else { return 100 };
    let mint = SubmissionFlags::MINT.bits();
    let client = run(SubmissionEntry { flags: mint, badge: 5, ..derive(endpoint, Rights::all()) });
    let told = run(identify(endpoint, client.token));
    if (client.status, told.status, told.badge) != (0, 0, 5) {
        return 200;
    }
    run(identify(client.token, client.token)).status
}

/// Capabilities of another endpoint, or other objects, have no badge here.
pub(crate) fn identify_foreign() -> i32 {
    let (Ok(endpoint), Ok(other)) = (endpoint(), endpoint()) else { return 100 };
    let mint = SubmissionFlags::MINT.bits();
    let client = run(SubmissionEntry { flags: mint, badge: 5, ..derive(other, Rights::all()) });
    run(identify(endpoint, client.token)).status
}

pub(crate) fn identify_stale() -> i32 {
    let Ok(endpoint) = endpoint() else { return 100 };
    run(identify(endpoint, Handle::new(0x00ff_fff0, 1).0)).status
}

/// If a message's second page is unreadable, the receiver's buffer must not get the first.
pub(crate) fn undelivered_is_unwritten() -> i32 {
    const PAGE: u64 = 4096;
    let Ok(endpoint) = endpoint() else { return 100 };
    let mint = SubmissionFlags::MINT.bits();
    let client = run(SubmissionEntry { flags: mint, badge: 5, ..derive(endpoint, Rights::all()) });
    let (reserved, start) = calls::reserve(0, 2 * PAGE, "rw");
    if client.status != 0 || reserved != 0 {
        return 101;
    }
    (start..start + PAGE).for_each(|address| poke(address, 0xaa));
    if calls::protect(start + PAGE, PAGE, "") != 0 {
        return 102;
    }
    let mut room = [0_u64; 2 * PAGE as usize / 8];
    push(SubmissionEntry {
        opcode: Opcode::Recv as u8,
        cap: endpoint,
        recv_address: room.as_mut_ptr() as u64,
        recv_length: 2 * PAGE as u32,
        ..Default::default()
    });
    if cap_enter(1, 0) != 0 {
        return 103;
    }
    let called = run(SubmissionEntry {
        send_address: start,
        send_length: 2 * PAGE as u32,
        ..call(client.token, 1, 0)
    });
    if core::hint::black_box(&room).iter().any(|&word| word != 0) { 99 } else { called.status }
}
