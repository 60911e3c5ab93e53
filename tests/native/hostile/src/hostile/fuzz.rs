//! Random `cap_enter` calls: entries that are nearly valid, entries that are noise, and everything between.
//!
//! Calls are counted in a memory object that the parent shares (grant 0), so that the parent knows their number
//! even if the fuzzer ends itself by unmapping its own memory.

use crate::raw::{bootstrap, exit, grant, pop, push, ring, syscall};
use capnp::message::Builder;
use capnp::traits::HasTypeId;
use capos_abi::{CapDescriptor, SUBMISSION_ENTRIES, SubmissionEntry, Syscall};
use capos_schema::memory_capnp::virtual_memory;
use capos_schema::{
    console_capnp::console, endpoint_capnp::endpoint_factory, entropy_capnp::entropy_source,
    memory_capnp::memory_object, process_capnp::process_spawner, process_capnp::thread_spawner,
    timer_capnp::timer, timer_capnp::wall_clock,
};
use core::sync::atomic::{AtomicU64, Ordering};

const CALLS_PER_RUN: u64 = 50_000;
const HANDLES: usize = 64;

/// xorshift64*: the same seed makes the same calls, so that a finding can be reproduced.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[usize::try_from(self.below(from.len() as u64)).unwrap_or(0)]
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

struct Fuzzer {
    random: Random,
    handles: [u64; HANDLES],
    buffer: Vec<u64>,
    descriptors: [CapDescriptor; 8],
    interfaces: [u64; 9],
    tokens: [u64; 8],
}

/// Runs until `CALLS_PER_RUN` calls are made.
pub(crate) fn run(seed: u64) -> i32 {
    let counter = map_counter();
    let mut fuzzer = Fuzzer::new(seed);
    for _ in 0..CALLS_PER_RUN {
        let entries = 1 + fuzzer.random.below(4);
        for _ in 0..entries {
            let tail = ring().submission_tail.load(Ordering::Relaxed);
            let head = ring().submission_head.load(Ordering::Acquire);
            if tail.wrapping_sub(head) < SUBMISSION_ENTRIES {
                let entry = fuzzer.entry();
                push(entry);
            }
        }
        // A deadline of 1 ns has always passed, so no wait lasts; occasionally the arguments are random too.
        let wait_for = if fuzzer.random.one_in(50) { fuzzer.random.next() } else { fuzzer.random.below(3) };
        syscall(Syscall::CapEnter as u64, fuzzer.random.below(40), wait_for, 1);
        counter.fetch_add(1, Ordering::Relaxed);
        while let Some(completion) = pop() {
            fuzzer.learn(completion.token);
        }
    }
    0
}

impl Fuzzer {
    fn new(seed: u64) -> Self {
        let mut handles = [0; HANDLES];
        let header = bootstrap();
        for (index, handle) in handles.iter_mut().enumerate() {
            let index = u32::try_from(index).unwrap_or(0);
            *handle = if index < header.grant_count { grant(index) } else { header.endpoint_factory };
        }
        Self {
            random: Random(seed | 1),
            handles,
            buffer: vec![0; 8192],
            descriptors: [CapDescriptor::default(); 8],
            interfaces: [
                console::Client::TYPE_ID,
                timer::Client::TYPE_ID,
                wall_clock::Client::TYPE_ID,
                entropy_source::Client::TYPE_ID,
                memory_object::Client::TYPE_ID,
                virtual_memory::Client::TYPE_ID,
                endpoint_factory::Client::TYPE_ID,
                process_spawner::Client::TYPE_ID,
                thread_spawner::Client::TYPE_ID,
            ],
            tokens: [0; 8],
        }
    }

    /// New handles and reply tokens are reused.
    fn learn(&mut self, token: u64) {
        if token != 0 {
            let slot = usize::try_from(self.random.below(8)).unwrap_or(0);
            self.tokens[slot] = token;
            let slot = usize::try_from(self.random.below(HANDLES as u64)).unwrap_or(0);
            self.handles[slot] = token;
        }
    }

    fn handle(&mut self) -> u64 {
        match self.random.below(40) {
            0 => self.random.next(),
            1 => bootstrap().virtual_memory,
            2 => bootstrap().thread_spawner,
            3 => bootstrap().endpoint_factory,
            _ => {
                let handles = self.handles;
                self.random.pick(&handles)
            }
        }
    }

    fn address(&mut self) -> u64 {
        let buffer = self.buffer.as_ptr() as u64;
        match self.random.below(12) {
            0 => self.random.next(),
            1 => 0xffff_ffff_8000_0000 + self.random.below(1 << 24),
            2 => capos_abi::BOOTSTRAP_ADDRESS,
            3 => capos_abi::RING_AREA,
            4 => buffer + self.random.below(65_536),
            5 => 0,
            _ => buffer + self.random.below(1024) * 8,
        }
    }

    fn length(&mut self) -> u32 {
        let length = match self.random.below(8) {
            0 => self.random.next(),
            1 => self.random.below(70_000),
            _ => self.random.below(64) * 8,
        };
        u32::try_from(length & 0xffff_ffff).unwrap_or(0)
    }

    /// A message whose frame is mostly valid, with random content.
    fn message(&mut self) -> (u64, u32) {
        let at = usize::try_from(self.random.below(1024)).unwrap_or(0);
        let words = self.random.below(24);
        self.buffer[at] = words << 32;
        for word in 0..usize::try_from(words).unwrap_or(0) {
            self.buffer[at + 1 + word] = match self.random.below(5) {
                0 => self.random.next(),
                1 => self.random.below(16) << 32 | 3,
                2 => self.random.below(4) << 48 | self.random.below(4) << 32 | self.random.below(3) << 2,
                3 => self.random.below(64) << 35 | self.random.below(8) << 32 | self.random.below(4) << 2 | 1,
                _ => self.random.below(4) * 4096,
            };
        }
        let address = self.buffer.as_ptr() as u64 + at as u64 * 8;
        (address, u32::try_from((words + 1) * 8).unwrap_or(0))
    }

    fn entry(&mut self) -> SubmissionEntry {
        if self.random.one_in(40) {
            return self.noise();
        }
        let (mut send_address, mut send_length) = self.message();
        if self.random.one_in(6) {
            (send_address, send_length) = (self.address(), self.length());
        }
        for slot in 0..self.descriptors.len() {
            let rights = if self.random.one_in(3) { self.random.below(128) } else { u64::from(u32::MAX) };
            self.descriptors[slot] = CapDescriptor {
                handle: self.handle(),
                badge: self.random.below(5),
                rights: u32::try_from(rights).unwrap_or(0),
                mode: u32::try_from(self.random.below(4)).unwrap_or(0),
            };
        }
        let opcode = u8::try_from(self.random.below(10)).unwrap_or(0);
        let uses_list = self.random.one_in(3);
        let descriptors = self.descriptors.as_ptr() as u64;
        let (interfaces, tokens) = (self.interfaces, self.tokens);
        SubmissionEntry {
            opcode,
            flags: u8::try_from(if self.random.one_in(3) { self.random.below(9) } else { 0 }).unwrap_or(0),
            method: u16::try_from(self.random.below(7)).unwrap_or(0),
            rights: u32::try_from(self.random.below(256)).unwrap_or(0),
            user_data: self.random.below(1000),
            cap: self.handle(),
            interface: self.random.pick(&interfaces),
            send_address,
            send_length,
            send_cap_count: if uses_list { u32::try_from(self.random.below(9)).unwrap_or(0) } else { 0 },
            send_caps: if uses_list { descriptors } else { 0 },
            recv_address: self.address(),
            recv_length: self.length(),
            recv_cap_count: u32::try_from(self.random.below(8)).unwrap_or(0),
            recv_caps: self.address(),
            deadline_ns: if self.random.one_in(4) { 0 } else { self.random.below(1 << 34) },
            token: if self.random.one_in(2) { self.random.pick(&tokens) } else { self.random.below(1000) },
            badge: self.random.below(5),
            reserved: [0; 3],
        }
    }

    /// Every field random.
    fn noise(&mut self) -> SubmissionEntry {
        let mut next = || self.random.next();
        SubmissionEntry {
            opcode: u8::try_from(next() & 0xff).unwrap_or(0),
            flags: u8::try_from(next() & 0xff).unwrap_or(0),
            method: u16::try_from(next() & 0xffff).unwrap_or(0),
            rights: u32::try_from(next() & 0xffff_ffff).unwrap_or(0),
            user_data: next(),
            cap: next(),
            interface: next(),
            send_address: next(),
            send_length: u32::try_from(next() & 0xffff_ffff).unwrap_or(0),
            send_cap_count: u32::try_from(next() & 0xffff_ffff).unwrap_or(0),
            send_caps: next(),
            recv_address: next(),
            recv_length: u32::try_from(next() & 0xffff_ffff).unwrap_or(0),
            recv_cap_count: u32::try_from(next() & 0xffff_ffff).unwrap_or(0),
            recv_caps: next(),
            deadline_ns: next(),
            token: next(),
            badge: next(),
            reserved: [next(), next(), next()],
        }
    }
}

/// Maps the parent's counter page.
#[expect(unsafe_code, reason = "a page shared with the parent is reached through a raw address")]
fn map_counter() -> &'static AtomicU64 {
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<virtual_memory::map_object_params::Builder<'_>>();
        root.set_length(4096);
        let mut protection = root.init_protection();
        protection.set_read(true);
        protection.set_write(true);
    }
    let mut words = crate::calls::words(&message);
    // The object is the message's only capability: a capability pointer to index 0, in the first of the two
    // pointers after the three data words.
    words[5] = 3;
    let list = [CapDescriptor { handle: grant(0), badge: 0, rights: u32::MAX, mode: 0 }];
    let mut results = [0_u64; 64];
    let completion = crate::raw::run(SubmissionEntry {
        send_address: words.as_ptr() as u64,
        send_length: u32::try_from(words.len() * 8).unwrap_or(0),
        send_caps: list.as_ptr() as u64,
        send_cap_count: 1,
        recv_address: results.as_mut_ptr() as u64,
        recv_length: 512,
        ..crate::handles::call(bootstrap().virtual_memory, virtual_memory::Client::TYPE_ID, 5)
    });
    if completion.status != 0 {
        exit(100 + completion.status);
    }
    // SAFETY: the kernel mapped a shared page there, readable and writable, for the life of this process; all
    // accesses are atomic.
    unsafe { &*(core::hint::black_box(&results)[2] as *const AtomicU64) }
}
