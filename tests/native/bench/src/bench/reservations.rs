//! Reserving address space beside few and beside many other reservations, through the bare ring.

use crate::calls::exchange;
use crate::counter::{Counter, failed};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{Opcode, SubmissionEntry};
use capos_schema::memory_capnp::virtual_memory;
use capos_schema::methods::virtual_memory::RESERVE;

/// A WebAssembly memory with its guard.
const BYTES: u64 = 6 << 30;

/// A call that reserves, anywhere.
struct Reserve {
    message: Vec<u8>,
    results: [u64; 8],
}

impl Reserve {
    fn new(is_readable: bool) -> Self {
        let mut message = Builder::new_default();
        let mut root = message.init_root::<virtual_memory::reserve_params::Builder<'_>>();
        root.set_length(BYTES);
        root.init_protection().set_read(is_readable);
        Self { message: capnp::serialize::write_message_to_words(&message), results: [0; 8] }
    }

    fn call(&mut self, cap: u64) {
        exchange(&SubmissionEntry {
            opcode: Opcode::Call as u8,
            cap,
            interface: virtual_memory::Client::TYPE_ID,
            method: RESERVE,
            send_address: self.message.as_ptr() as u64,
            send_length: self.message.len() as u32,
            recv_address: self.results.as_mut_ptr() as u64,
            recv_length: 64,
            ..SubmissionEntry::default()
        });
    }
}

/// All measurements with reservations.
pub(crate) fn all(counter: &Counter) -> capnp::Result<()> {
    let memory = capos_rt::handle_of(&capos_rt::virtual_memory()).ok_or_else(|| failed("no handle"))?;
    // Neighbours with the same protection would become one.
    let mut calls = [Reserve::new(false), Reserve::new(true)];
    let mut made = 0;
    let mut reserve = || {
        calls[made % 2].call(memory.0);
        made += 1;
    };
    (0..10).for_each(|_| reserve());
    counter.measure("reserve_beside_10", &mut reserve);
    (0..10_000).for_each(|_| reserve());
    counter.measure("reserve_beside_10000", &mut reserve);
    Ok(())
}
