//! System calls, calls on the kernel's objects, and calls between processes.

use crate::counter::{Counter, failed};
use capos_abi::{NO_DEADLINE, Opcode, SubmissionEntry};
use capos_rt::Ask as _;
use capos_schema::console_capnp::console;
use capos_schema::memory_capnp::virtual_memory;
use capos_schema::timer_capnp::timer;

/// Calls that the kernel answers itself.
pub(crate) async fn kernel(counter: &Counter) -> capnp::Result<()> {
    counter.measure("null_kernel_call", || {
        capos_rt::ring::with_ring(|ring| ring.enter(0, NO_DEADLINE)).ok();
    });
    let nop = SubmissionEntry { opcode: Opcode::Nop as u8, ..SubmissionEntry::default() };
    counter.measure("ring_nop", || exchange(&nop));
    let timer: timer::Client = capos_rt::grant(capos_schema::grants::TIMER).map_err(failed)?;
    counter
        .measure_async("timer_now_generated", || async {
            timer.now_request().ask().await?.get()?;
            Ok(())
        })
        .await
}

/// A 64-byte message and its reply through the bare ring.
pub(crate) fn raw(counter: &Counter) -> capnp::Result<()> {
    // The raw server has no interface; a console's id is as good as any.
    let raw = capos_rt::take_grant::<console::Client>("raw").map_err(failed)?.into_raw();
    let message = [0x0000_0007_0000_0000_u64, 0, 0, 0, 0, 0, 0, 0];
    let mut answer = [0_u64; 8];
    let call = SubmissionEntry {
        opcode: Opcode::Call as u8,
        cap: raw.0,
        send_address: message.as_ptr() as u64,
        send_length: 64,
        recv_address: answer.as_mut_ptr() as u64,
        recv_length: 64,
        ..SubmissionEntry::default()
    };
    counter.measure("raw_call_reply_64", || exchange(&call));
    assert_eq!(core::hint::black_box(&answer)[0], message[0], "the raw server did not echo");
    Ok(())
}

/// Submits one entry and takes its completion, which must report success.
#[expect(unsafe_code, reason = "this is the bare ring")]
pub(crate) fn exchange(entry: &SubmissionEntry) {
    let status = capos_rt::ring::with_ring(|ring| {
        // SAFETY: the memory behind this module's entries outlives the exchange.
        unsafe { ring.push(entry) }.ok()?;
        ring.enter(1, NO_DEADLINE).ok()?;
        ring.pop().map(|completion| completion.status)
    });
    assert_eq!(status, Some(0), "a raw operation failed");
}

/// The same through generated clients and servers, and with a capability in the message.
pub(crate) async fn generated(counter: &Counter) -> capnp::Result<()> {
    let sink: console::Client = capos_rt::grant("sink").map_err(failed)?;
    let bytes = [7_u8; 40];
    counter
        .measure_async("generated_call_reply_64", || async {
            let mut request = sink.write_request();
            request.get().set_bytes(&bytes);
            request.ask().await?;
            Ok(())
        })
        .await?;

    let taker: virtual_memory::Client = capos_rt::grant("taker").map_err(failed)?;
    let mut request = capos_rt::virtual_memory().create_object_request();
    request.get().set_length(4096);
    let object = request.ask().await?.get()?.get_object()?;
    counter
        .measure_async("capability_passing", || async {
            let mut request = taker.map_object_request();
            request.get().set_object(object.clone());
            request.get().set_length(4096);
            request.ask().await?;
            Ok(())
        })
        .await
}
