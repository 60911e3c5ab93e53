//! Processes of the model.

use super::capabilities::Object;
use super::{Endpoint, Kernel};
use capos_rt::abi::{BootstrapHeader, Rights};
use capos_rt::arch::KernelModel;
use capos_rt::schema::launch_capnp::launch_parameters;
use capos_rt::testing::{install_bootstrap, new_ring, with_thread};
use std::rc::Rc;
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};

/// A process, whose state is in the kernel.
pub(crate) struct Process {
    kernel: Arc<Kernel>,
    number: usize,
}

/// The initial slots of every process: its endpoint factory, and the test's "service".
const FACTORY: u64 = 1 << 32;
const SERVICE: u64 = 1 | 1 << 32;

/// A server process and a client process whose grant "service" is the server's endpoint.
pub(crate) fn start() -> (Process, Process) {
    static BOOTSTRAP: Once = Once::new();
    BOOTSTRAP.call_once(|| assert!(install_bootstrap(bootstrap_pages())));
    let kernel = Arc::new(Kernel::default());
    {
        let mut state = kernel.state.lock().unwrap();
        state.endpoints.push(Endpoint::default());
        for number in 0..2 {
            state.table.insert(number, Object::Factory, Rights::all(), 0, None);
        }
        state.table.insert(0, Object::Endpoint(0), Rights::all(), 0, None);
        state.table.insert(1, Object::Endpoint(0), Rights::CALL | Rights::TRANSFER, 0, None);
    }
    (Process { kernel: kernel.clone(), number: 0 }, Process { kernel, number: 1 })
}

impl Process {
    /// Runs `main` as the process's only thread.
    pub(crate) fn run<T: Send + 'static>(self, main: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        thread::spawn(move || {
            let ring = new_ring();
            let port = Rc::new(Port { process: self, ring: ring.as_ptr() as usize });
            with_thread(ring, port, main)
        })
    }
}

struct Port {
    process: Process,
    ring: usize,
}

impl KernelModel for Port {
    fn cap_enter(&self, submit: u32, wait_for: u32, deadline_ns: u64) -> i64 {
        self.process.kernel.cap_enter(self.process.number, self.ring, submit, wait_for, deadline_ns)
    }
}

fn bootstrap_pages() -> &'static [u64] {
    let mut message = capnp::message::Builder::new_default();
    let mut grants = message.init_root::<launch_parameters::Builder<'_>>().init_grants(2);
    grants.reborrow().get(0).set_name("service");
    let mut typed = grants.get(1);
    typed.set_name("console");
    typed.set_interface_id(7);
    let launch = capnp::serialize::write_message_to_words(&message);
    let header = BootstrapHeader {
        magic: BootstrapHeader::MAGIC,
        version: BootstrapHeader::VERSION,
        grant_count: 2,
        grants_offset: 56,
        launch_offset: 72,
        launch_length: launch.len() as u32,
        stack_length: 0,
        virtual_memory: 0,
        thread_spawner: 0,
        endpoint_factory: FACTORY,
    };
    let mut pages = vec![0u64; 64];
    let words = [
        header.magic,
        u64::from(header.version) | u64::from(header.grant_count) << 32,
        u64::from(header.grants_offset) | u64::from(header.launch_offset) << 32,
        u64::from(header.launch_length),
        0,
        0,
        header.endpoint_factory,
        SERVICE,
        SERVICE,
    ];
    pages[..words.len()].copy_from_slice(&words);
    for (page, bytes) in pages[words.len()..].iter_mut().zip(launch.chunks(8)) {
        *page = u64::from_le_bytes(bytes.try_into().unwrap());
    }
    pages.leak()
}
