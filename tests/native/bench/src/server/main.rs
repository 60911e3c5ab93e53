//! The server of the call benchmarks: answers 64 bytes by the bare ring, or calls on generated servers.

use capos_abi::{Handle, Opcode, SubmissionEntry, SubmissionFlags};
use capos_rt::{Cap, serve};
use capos_schema::endpoint_capnp::endpoint;
use capos_schema::{console_capnp::console, memory_capnp::virtual_memory};
use std::rc::Rc;

fn main() -> Result<(), capos_rt::GrantError> {
    let role = std::env::args().nth(1).unwrap_or_default();
    match role.as_str() {
        "raw" => raw(),
        "generated" => generated()?,
        _ => std::process::exit(2),
    }
    Ok(())
}

/// The endpoint to receive from.
fn endpoint() -> Handle {
    capos_rt::take_grant::<endpoint::Client>("raw").map_or(Handle::NULL, Cap::into_raw)
}

/// Receives calls, and replies with the received message.
#[expect(unsafe_code, reason = "this is the bare ring")]
fn raw() {
    let endpoint = endpoint();
    let mut message = [0_u64; 64];
    let recv = SubmissionEntry {
        opcode: Opcode::Recv as u8,
        cap: endpoint.0,
        recv_address: message.as_mut_ptr() as u64,
        recv_length: 512,
        ..SubmissionEntry::default()
    };
    capos_rt::ring::with_ring(|ring| {
        // SAFETY: `message` lives until this loop ends, and is not accessed while the kernel may use it.
        let mut state = unsafe { ring.push(&recv) };
        while state.is_ok() && ring.enter(1, capos_abi::NO_DEADLINE).is_ok() {
            let Some(call) = ring.pop() else { break };
            if call.status != 0 {
                break;
            }
            let reply = SubmissionEntry {
                opcode: Opcode::Return as u8,
                flags: SubmissionFlags::QUIET.bits(),
                token: call.token,
                send_address: message.as_ptr() as u64,
                send_length: call.length,
                ..SubmissionEntry::default()
            };
            // SAFETY: the kernel copies the answer before it takes the next RECV, which is queued after it.
            state = unsafe { ring.push(&reply).and_then(|()| ring.push(&recv)) };
        }
    });
}

/// Serves a Console that discards its output, and a VirtualMemory that accepts and releases objects.
fn generated() -> Result<(), capos_rt::GrantError> {
    capos_rt::block_on(async {
        capos_rt::serve_export::<console::Client>("sink", serve(Sink))?;
        capos_rt::serve_export::<virtual_memory::Client>("taker", serve(Taker))?;
        std::future::pending::<Result<(), capos_rt::GrantError>>().await
    })
}

struct Sink;

impl console::Server for Sink {
    async fn write(self: Rc<Self>, _: console::WriteParams, _: console::WriteResults) -> capnp::Result<()> {
        Ok(())
    }
}

struct Taker;

impl virtual_memory::Server for Taker {
    async fn map_object(
        self: Rc<Self>,
        params: virtual_memory::MapObjectParams,
        mut results: virtual_memory::MapObjectResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let object = params.get_object()?;
        results.get().set_address(params.get_length());
        drop(object);
        Ok(())
    }
}
