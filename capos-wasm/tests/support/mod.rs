//! In-process servers for the capabilities that instances use, and an executor to run everything.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    missing_docs,
    reason = "each test file uses its own part"
)]

mod engine;
mod executor;
mod files;
mod guest;
#[cfg(feature = "compiled-code")]
mod machine;
mod servers;

pub use engine::by_engine;
#[cfg(feature = "compiled-code")]
pub use engine::second_machine;
pub use files::*;
pub use guest::{Fails, Guest, MEMORY_BYTES};
#[cfg(feature = "compiled-code")]
pub use machine::InProcess;
pub use servers::{ConsoleState, EPOCH_SECONDS, FakeClock, console, entropy, timer, wall_clock};

use capos_wasm::{
    End, EngineChoice, FastClock, Grants, Host, HostConfig, InstanceHandle, InstanceSpec, Launch, Limits,
    Options,
};
#[cfg(feature = "compiled-code")]
use capos_wasm::{EngineKind, Note};
use executor::Executor;
use futures::channel::oneshot;
use std::{borrow::Cow, cell::RefCell, future::Future, rc::Rc};

/// A program that exits with the value that `value` leaves on the stack.
pub fn exiting_with(items: &str, value: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1) {items}
        (func (export "_start") (call $proc_exit {value})))"#
    )
}

/// A host, its executor, the clock that its timers read, and one console.
pub struct World {
    executor: Executor,
    pub host: Rc<Host>,
    pub clock: Rc<FakeClock>,
    pub console: Rc<ConsoleState>,
}

/// Records the memory that the host freed.
pub mod discarded {
    use std::cell::RefCell;

    thread_local! {
        static LENGTHS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    pub fn note(bytes: &mut [u8]) {
        LENGTHS.with_borrow_mut(|lengths| lengths.push(bytes.len()));
    }

    /// The length of each part on this thread since the last call.
    pub fn take() -> Vec<usize> {
        LENGTHS.take()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with_clock(None)
    }

    /// A world whose host has its own clock.
    pub fn with_clock(host_clock: Option<FastClock>) -> Self {
        Self::make(host_clock, |config| Host::with_engine(config, engine::engine()))
    }

    /// A world whose host interprets, and has a machine for compiled code besides; notes for the log are appended to `notes`.
    #[cfg(feature = "compiled-code")]
    pub fn with_machine(machine: InProcess, notes: &Rc<RefCell<Vec<String>>>) -> Self {
        let notes = notes.clone();
        Self::make(None, |config| {
            let note: Note = Rc::new(move |line| notes.borrow_mut().push(line));
            let config = HostConfig { engine: EngineChoice::Auto, note: Some(note), ..config };
            Host::with_engines(config, EngineKind::Wasmi, Some(EngineKind::Wasmtime(Rc::new(machine))))
        })
    }

    fn make(host_clock: Option<FastClock>, host: impl FnOnce(HostConfig) -> Host) -> Self {
        let executor = Executor::default();
        let clock = Rc::new(FakeClock::default());
        let config = HostConfig {
            spawn: executor.spawner(),
            timer: Some(timer(&clock)),
            clock: host_clock,
            sleep: None,
            discard: Some(discarded::note),
            module_cache_bytes: 1 << 20,
            engine: EngineChoice::default(),
            note: None,
        };
        Self { executor, host: Rc::new(host(config)), clock, console: Rc::default() }
    }

    /// All capabilities that an instance can be granted, with all three streams on one console.
    pub fn all_grants(&self) -> Grants {
        Grants {
            stdin: Some(console(&self.console).into()),
            stdout: Some(console(&self.console).into()),
            stderr: Some(console(&self.console).into()),
            timer: Some(timer(&self.clock)),
            preopens: Vec::new(),
            fast_clock: None,
            fast_sleep: None,
            wall_clock: Some(wall_clock(&self.clock)),
            entropy: Some(entropy()),
        }
    }

    /// A program in text form, with everything granted and default limits.
    pub fn program(&self, wat: &str) -> InstanceSpec {
        spec(wat, self.all_grants())
    }

    /// Runs an instance to its end.
    pub fn run(&mut self, spec: InstanceSpec) -> End {
        let handle = self.host.start(spec);
        self.wait(&handle)
    }

    pub fn wait(&mut self, handle: &InstanceHandle) -> End {
        self.block_on(handle.wait())
    }

    /// Runs until `future` is done. A microsecond passes with every turn; when nothing can run any more,
    /// time advances to the next sleeper. Fails if there is none.
    pub fn block_on<T>(&mut self, future: impl Future<Output = T>) -> T {
        let clock = self.clock.clone();
        let mut turns = 0u64;
        let tick = |busy| {
            turns += 1;
            clock.advance(1_000);
            turns < 1_000_000 && (busy || clock.advance_to_next())
        };
        self.executor.block_on(future, tick).expect("nothing can go on, or it takes for ever")
    }

    /// Starts something that continues while the test does other things; the result is stored when it is
    /// done.
    pub fn begin<T: 'static>(&mut self, future: impl Future<Output = T> + 'static) -> oneshot::Receiver<T> {
        let (sender, receiver) = oneshot::channel();
        (self.executor.spawner())(Box::pin(async move { drop(sender.send(future.await)) }));
        receiver
    }

    /// Runs `turns` turns without advancing time to the next sleeper.
    pub fn turns(&mut self, turns: usize) {
        let mut left = turns;
        let tick = |_| {
            left -= 1;
            left > 0
        };
        let _ = self.executor.block_on(std::future::pending::<()>(), tick);
    }

    pub fn output(&self) -> String {
        self.console.output()
    }
}

/// The specification of an instance, from a module in text form.
pub fn spec(wat: &str, grants: Grants) -> InstanceSpec {
    let module = wat::parse_str(wat).unwrap_or_else(|error| panic!("{error}\n{wat}"));
    InstanceSpec {
        module: Cow::Owned(module),
        module_name: "module".into(),
        name: "instance".into(),
        launch: Launch::new(["program"], []).expect("plain arguments"),
        grants,
        named: Vec::new(),
        limits: Limits::default(),
        run: true,
        options: Options::default(),
    }
}

/// A module with the most frequently used imports, one page of memory, and these items.
pub fn with_imports(items: &str) -> String {
    format!(
        r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "args_get" (func $args_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_get" (func $environ_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_res_get" (func $clock_res_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock_time_get (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "random_get" (func $random_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_seek" (func $fd_seek (param i32 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fd_fdstat_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_set_flags" (func $fd_fdstat_set_flags (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_get" (func $fd_prestat_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1)
        {items})"#
    )
}

/// A program that exits with the errno of one call as its status, after some items of its own.
pub fn call_program(items: &str, call: &str) -> String {
    with_imports(&format!(r#"{items} (func (export "_start") (call $proc_exit {call}))"#))
}

/// The end of a program whose status is an errno.
pub fn errno(number: i32) -> End {
    End::Exited(number)
}

/// Error numbers of the specification.
pub mod e {
    pub const AGAIN: i32 = 6;
    pub const BADF: i32 = 8;
    pub const DQUOT: i32 = 19;
    pub const EXIST: i32 = 20;
    pub const FAULT: i32 = 21;
    pub const FBIG: i32 = 22;
    pub const ILSEQ: i32 = 25;
    pub const INVAL: i32 = 28;
    pub const IO: i32 = 29;
    pub const ISDIR: i32 = 31;
    pub const LOOP: i32 = 32;
    pub const MFILE: i32 = 33;
    pub const NAMETOOLONG: i32 = 37;
    pub const NFILE: i32 = 41;
    pub const NOENT: i32 = 44;
    pub const NOSYS: i32 = 52;
    pub const NOTDIR: i32 = 54;
    pub const NOTEMPTY: i32 = 55;
    pub const NOTSOCK: i32 = 57;
    pub const NOTSUP: i32 = 58;
    pub const PERM: i32 = 63;
    pub const PIPE: i32 = 64;
    pub const SPIPE: i32 = 70;
    pub const XDEV: i32 = 75;
    pub const NOTCAPABLE: i32 = 76;
}
