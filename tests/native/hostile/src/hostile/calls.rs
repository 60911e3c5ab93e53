//! Well-formed calls on kernel objects, for cases whose hostility is in the requests themselves.

use crate::handles::call;
use crate::raw::{bootstrap, exit, run};
use capnp::message::{Allocator, Builder, HeapAllocator};
use capnp::traits::HasTypeId;
use capos_abi::{
    CapDescriptor, CompletionEntry, Opcode, Rights, SubmissionEntry, SubmissionFlags, TransferMode,
};
use capos_schema::{
    endpoint_capnp::endpoint_factory,
    memory_capnp::{code_factory, memory_object, virtual_memory},
    methods::{
        code_factory::CREATE,
        memory_object::{SEAL, SIZE},
        virtual_memory::{CREATE_OBJECT, DISCARD, MAP_OBJECT, MAP_PRIVATE, UNMAP},
    },
    process_capnp::thread_spawner,
};

/// The words of a message.
pub(crate) fn words<A: Allocator>(message: &Builder<A>) -> Vec<u64> {
    capnp::serialize::write_message_to_words(message)
        .chunks_exact(8)
        .map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()))
        .collect()
}

/// The value of a call that must succeed.
pub(crate) fn must<T>((status, value): (i32, T)) -> T {
    done(status);
    value
}

/// Ends the process unless a call succeeded.
pub(crate) fn done(status: i32) {
    if status != 0 {
        exit(100 + status);
    }
}

/// A copy of a capability with some of its rights.
pub(crate) fn copy(cap: u64, rights: Rights) -> u64 {
    let copied = run(SubmissionEntry { rights: rights.bits(), ..derive(cap) });
    done(copied.status);
    copied.token
}

/// Calls with `message` and space for `results` words and one capability. Returns the completion and that
/// handle.
pub(crate) fn invoke(
    cap: u64,
    interface: u64,
    method: u16,
    message: &Builder<HeapAllocator>,
    results: &mut [u64],
) -> (CompletionEntry, u64) {
    let words = words(message);
    let mut handle = 0_u64;
    let entry = SubmissionEntry {
        send_address: words.as_ptr() as u64,
        send_length: u32::try_from(words.len() * 8).unwrap_or_else(|_| exit(251)),
        recv_address: results.as_mut_ptr() as u64,
        recv_length: u32::try_from(results.len() * 8).unwrap_or_else(|_| exit(251)),
        recv_caps: (&raw mut handle) as u64,
        recv_cap_count: 1,
        ..call(cap, interface, method)
    };
    let completion = run(entry);
    let handle = core::hint::black_box(&raw const handle);
    (completion, if completion.cap_count == 1 { read_handle(handle) } else { 0 })
}

#[expect(unsafe_code, reason = "the kernel wrote the handle behind the compiler's back")]
fn read_handle(handle: *const u64) -> u64 {
    // SAFETY: `handle` refers to a live local of the caller; volatile because the kernel wrote it.
    unsafe { handle.read_volatile() }
}

/// `VirtualMemory.reserve` with a protection given as "rwx" letters. Returns status and address.
pub(crate) fn reserve(address: u64, length: u64, protection: &str) -> (i32, u64) {
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<virtual_memory::reserve_params::Builder<'_>>();
        root.set_address(address);
        root.set_length(length);
        set_protection(root.init_protection(), protection);
    }
    let mut results = [0_u64; 64];
    let (completion, _) =
        invoke(bootstrap().virtual_memory, virtual_memory::Client::TYPE_ID, 0, &message, &mut results);
    // Frame word, root pointer, then the results' single data word.
    (completion.status, results[2])
}

/// `VirtualMemory.protect`.
pub(crate) fn protect(address: u64, length: u64, protection: &str) -> i32 {
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<virtual_memory::protect_params::Builder<'_>>();
        root.set_address(address);
        root.set_length(length);
        set_protection(root.init_protection(), protection);
    }
    let mut results = [0_u64; 64];
    let vm = bootstrap().virtual_memory;
    invoke(vm, virtual_memory::Client::TYPE_ID, 1, &message, &mut results).0.status
}

/// `VirtualMemory.createObject`. Returns status and handle.
pub(crate) fn create_object(length: u64) -> (i32, u64) {
    let mut message = Builder::new_default();
    message.init_root::<virtual_memory::create_object_params::Builder<'_>>().set_length(length);
    let vm = bootstrap().virtual_memory;
    let (completion, handle) =
        invoke(vm, virtual_memory::Client::TYPE_ID, CREATE_OBJECT, &message, &mut [0; 64]);
    (completion.status, handle)
}

/// `CodeFactory.create`. Returns status and handle.
pub(crate) fn create_code(factory: u64, length: u64) -> (i32, u64) {
    let mut message = Builder::new_default();
    message.init_root::<code_factory::create_params::Builder<'_>>().set_length(length);
    let (completion, handle) = invoke(factory, code_factory::Client::TYPE_ID, CREATE, &message, &mut [0; 64]);
    (completion.status, handle)
}

/// `VirtualMemory.unmap`.
pub(crate) fn unmap(address: u64, length: u64) -> i32 {
    run(UnmapCall::new(address, length).entry()).status
}

/// A call of `VirtualMemory.unmap`, for any ring.
pub(crate) struct UnmapCall {
    method: u16,
    words: [u64; 4],
    results: [u64; 8],
}

impl UnmapCall {
    pub(crate) const fn new(address: u64, length: u64) -> Self {
        // One segment of three words: a root with two data words.
        Self { method: UNMAP, words: [3 << 32, 2 << 32, address, length], results: [0; 8] }
    }

    /// The entry, which refers to this record until it is complete.
    pub(crate) fn entry(&mut self) -> SubmissionEntry {
        SubmissionEntry {
            send_address: self.words.as_ptr() as u64,
            send_length: 32,
            recv_address: self.results.as_mut_ptr() as u64,
            recv_length: 64,
            ..call(bootstrap().virtual_memory, virtual_memory::Client::TYPE_ID, self.method)
        }
    }
}

/// `VirtualMemory.discard`.
pub(crate) fn discard(address: u64, length: u64) -> i32 {
    // The message has the layout of that of `unmap`.
    run(UnmapCall { method: DISCARD, ..UnmapCall::new(address, length) }.entry()).status
}

/// `VirtualMemory.mapObject` of the first `length` bytes of `object`, anywhere. Returns status and address.
pub(crate) fn map_object(object: u64, length: u64, protection: &str) -> (i32, u64) {
    map_object_at(object, 0, length, protection)
}

/// The same, at `address`.
pub(crate) fn map_object_at(object: u64, address: u64, length: u64, protection: &str) -> (i32, u64) {
    map(MapCall::new(object, address, length, protection))
}

/// `VirtualMemory.mapPrivate` of the first `length` bytes of `object`, anywhere. Returns status and address.
pub(crate) fn map_private(object: u64, length: u64, protection: &str) -> (i32, u64) {
    map(MapCall { method: MAP_PRIVATE, ..MapCall::new(object, 0, length, protection) })
}

fn map(mut call: MapCall) -> (i32, u64) {
    let completion = run(call.entry());
    (completion.status, call.address())
}

/// A call of `VirtualMemory.mapObject`, or of `mapPrivate`, whose messages have the same layout, for any ring.
pub(crate) struct MapCall {
    method: u16,
    words: [u64; 8],
    list: CapDescriptor,
    results: [u64; 64],
}

impl MapCall {
    pub(crate) fn new(object: u64, address: u64, length: u64, protection: &str) -> Self {
        let letters = protection.bytes().fold(0, |bits, letter| match letter {
            b'r' => bits | 1,
            b'w' => bits | 2,
            b'x' => bits | 4,
            _ => bits,
        });
        // One segment of seven words. The root has three data words (offset, length, address) and two pointers: to
        // entry 0 of the capability list, and to the protection that follows, with one data word.
        let words = [
            0x0000_0007_0000_0000,
            0x0002_0003_0000_0000,
            0,
            length,
            address,
            3,
            0x0000_0001_0000_0000,
            letters,
        ];
        let list =
            CapDescriptor { handle: object, badge: 0, rights: u32::MAX, mode: TransferMode::Copy as u32 };
        Self { method: MAP_OBJECT, words, list, results: [0; 64] }
    }

    /// The entry, which refers to this record until it is complete.
    pub(crate) fn entry(&mut self) -> SubmissionEntry {
        SubmissionEntry {
            send_address: self.words.as_ptr() as u64,
            send_length: 64,
            send_caps: (&raw const self.list) as u64,
            send_cap_count: 1,
            recv_address: self.results.as_mut_ptr() as u64,
            recv_length: 512,
            ..call(bootstrap().virtual_memory, virtual_memory::Client::TYPE_ID, self.method)
        }
    }

    /// The address in the results of the completed call.
    pub(crate) fn address(&self) -> u64 {
        core::hint::black_box(&self.results)[2]
    }
}

/// `MemoryObject.size`, with the results' message at `address`. Returns the status.
pub(crate) fn size_into(object: u64, address: u64) -> i32 {
    let mut message = Builder::new_default();
    message.init_root::<memory_object::size_params::Builder<'_>>();
    let words = words(&message);
    let entry = SubmissionEntry {
        send_address: words.as_ptr() as u64,
        send_length: u32::try_from(words.len() * 8).unwrap_or_else(|_| exit(251)),
        recv_address: address,
        recv_length: 512,
        ..call(object, memory_object::Client::TYPE_ID, SIZE)
    };
    run(entry).status
}

/// `MemoryObject.seal`.
pub(crate) fn seal(object: u64) -> i32 {
    let mut message = Builder::new_default();
    message.init_root::<memory_object::seal_params::Builder<'_>>();
    invoke(object, memory_object::Client::TYPE_ID, SEAL, &message, &mut [0; 8]).0.status
}

fn set_protection(mut to: capos_schema::memory_capnp::protection::Builder<'_>, letters: &str) {
    to.set_read(letters.contains('r'));
    to.set_write(letters.contains('w'));
    to.set_execute(letters.contains('x'));
}

/// `EndpointFactory.create`. Returns status and handle.
pub(crate) fn create_endpoint() -> (i32, u64) {
    let mut message = Builder::new_default();
    message.init_root::<endpoint_factory::create_params::Builder<'_>>();
    let mut results = [0_u64; 64];
    let factory = bootstrap().endpoint_factory;
    let (done, endpoint) = invoke(factory, endpoint_factory::Client::TYPE_ID, 0, &message, &mut results);
    (done.status, endpoint)
}

/// `ThreadSpawner.spawn` of a thread that starts at `entry`. Returns the status.
pub(crate) fn spawn_thread(entry: u64, top: u64, argument: u64) -> i32 {
    let mut message = Builder::new_default();
    {
        let mut root = message.init_root::<thread_spawner::spawn_params::Builder<'_>>();
        root.set_entry(entry);
        root.set_stack((top & !15) - 8);
        root.set_argument(argument);
    }
    let mut results = [0_u64; 64];
    invoke(bootstrap().thread_spawner, thread_spawner::Client::TYPE_ID, 0, &message, &mut results).0.status
}

/// A copy of a capability.
pub(crate) fn derive(cap: u64) -> SubmissionEntry {
    SubmissionEntry { opcode: Opcode::Derive as u8, cap, rights: Rights::all().bits(), ..Default::default() }
}

/// A client capability of an endpoint.
pub(crate) fn mint(cap: u64, badge: u64) -> SubmissionEntry {
    SubmissionEntry { flags: SubmissionFlags::MINT.bits(), badge, ..derive(cap) }
}
