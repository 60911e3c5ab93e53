//! The state that the kernel objects keep between calls.

use super::entropy::Generator;
use crate::kernel::Kernel;
use alloc::vec::Vec;
use capnp::Word;
use capos_abi::MAX_MESSAGE_BYTES;
use capos_kernel_core::{caps, ipc::QueueId};

/// State of the singleton objects, and working memory.
pub struct Services {
    /// Taken out while a call is being served.
    pub(super) buffers: Buffers,
    /// Calls of `Console.read` that wait for input.
    pub(super) console_readers: Option<QueueId>,
    /// Calls of `Console.write` that wait for the device.
    pub(super) console_writers: Option<QueueId>,
    /// Calls of `Console.write` on the system log that are long or queued behind others.
    pub(super) log_writers: Option<QueueId>,
    /// The page of `Timer.timePage`, once it exists.
    pub(super) time_page: Option<caps::ObjectId>,
    /// The random number generator of `EntropySource`.
    pub(super) entropy: Generator,
}

/// Aligned memory for one message, allocated at the start.
#[derive(Default)]
pub(super) struct Words(Vec<Word>);

impl Words {
    fn new(bytes: usize) -> Self {
        // At the start: no process runs yet.
        Self(Word::allocate_zeroed_vec(bytes.div_ceil(8)))
    }

    /// The first `length` bytes, or fewer if the memory is smaller.
    pub(super) fn bytes(&self, length: usize) -> &[u8] {
        Word::words_to_bytes(&self.0).get(..length).unwrap_or_default()
    }

    /// As [`Self::bytes`], mutable.
    pub(super) fn bytes_mut(&mut self, length: usize) -> &mut [u8] {
        Word::words_to_bytes_mut(&mut self.0).get_mut(..length).unwrap_or_default()
    }

    /// All of it, for building a message.
    pub(super) fn words(&mut self) -> &mut [Word] {
        &mut self.0
    }
}

/// Working memory for the call being served.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) parameters: Words,
    pub(super) results: Words,
}

impl Services {
    /// Empty; [`Kernel::init_services`] follows.
    pub(crate) const fn new() -> Self {
        Self {
            buffers: Buffers { parameters: Words(Vec::new()), results: Words(Vec::new()) },
            console_readers: None,
            console_writers: None,
            log_writers: None,
            time_page: None,
            entropy: Generator::new(),
        }
    }
}

impl Kernel {
    /// Makes the kernel objects ready to be called.
    pub(crate) fn init_services(&mut self) {
        // A result is built in one half and framed in the other.
        self.services.buffers = Buffers {
            parameters: Words::new(MAX_MESSAGE_BYTES as usize),
            results: Words::new(2 * super::message::MAX_RESULT_BYTES),
        };
        self.services.console_readers = self.ipc.create_queue().ok();
        self.services.console_writers = self.ipc.create_queue().ok();
        self.services.log_writers = self.ipc.create_queue().ok();
        self.services.entropy.reseed();
    }
}
