//! Servers for the kernel's interfaces, with state that tests can set and read.

use capnp::Error;
use capos_schema::{
    console_capnp::console,
    entropy_capnp::{MAX_FILL_BYTES, entropy_source},
    timer_capnp::{timer, wall_clock},
};
use futures::channel::oneshot;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
};

/// A console: what was written to it, and what can be read from it.
#[derive(Default)]
pub struct ConsoleState {
    written: RefCell<Vec<u8>>,
    input: RefCell<VecDeque<u8>>,
    input_ended: Cell<bool>,
    readers: RefCell<Vec<oneshot::Sender<()>>>,
    /// Number of writes.
    pub writes: Cell<usize>,
    /// If set, every call fails with an error of this kind.
    pub broken: RefCell<Option<capnp::ErrorKind>>,
}

impl ConsoleState {
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.written.borrow()).into_owned()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.written.borrow().clone()
    }

    pub fn give(&self, bytes: &[u8]) {
        self.input.borrow_mut().extend(bytes);
        self.readers.take().into_iter().for_each(|reader| reader.send(()).unwrap_or(()));
    }

    pub fn end_input(&self) {
        self.input_ended.set(true);
        self.readers.take().into_iter().for_each(|reader| reader.send(()).unwrap_or(()));
    }

    fn check(&self) -> Result<(), Error> {
        match &*self.broken.borrow() {
            Some(kind) => Err(Error { kind: *kind, extra: "broken".into() }),
            None => Ok(()),
        }
    }
}

struct ConsoleServer(Rc<ConsoleState>);

pub fn console(state: &Rc<ConsoleState>) -> console::Client {
    capnp_rpc::new_client(ConsoleServer(state.clone()))
}

impl console::Server for ConsoleServer {
    async fn write(
        self: Rc<Self>,
        params: console::WriteParams,
        _: console::WriteResults,
    ) -> Result<(), Error> {
        self.0.check()?;
        self.0.writes.set(self.0.writes.get() + 1);
        self.0.written.borrow_mut().extend(params.get()?.get_bytes()?);
        Ok(())
    }

    async fn write_error(
        self: Rc<Self>,
        params: console::WriteErrorParams,
        _: console::WriteErrorResults,
    ) -> Result<(), Error> {
        self.0.check()?;
        self.0.writes.set(self.0.writes.get() + 1);
        self.0.written.borrow_mut().extend(params.get()?.get_bytes()?);
        Ok(())
    }

    async fn write_line(
        self: Rc<Self>,
        params: console::WriteLineParams,
        _: console::WriteLineResults,
    ) -> Result<(), Error> {
        let mut written = self.0.written.borrow_mut();
        written.extend(params.get()?.get_line()?.as_bytes());
        written.push(b'\n');
        Ok(())
    }

    async fn read(
        self: Rc<Self>,
        params: console::ReadParams,
        mut results: console::ReadResults,
    ) -> Result<(), Error> {
        self.0.check()?;
        while self.0.input.borrow().is_empty() && !self.0.input_ended.get() {
            let (sender, receiver) = oneshot::channel();
            self.0.readers.borrow_mut().push(sender);
            let _ = receiver.await;
        }
        let mut input = self.0.input.borrow_mut();
        let count = input.len().min(params.get()?.get_max_bytes() as usize);
        let bytes: Vec<u8> = input.drain(..count).collect();
        results.get().set_bytes(&bytes);
        Ok(())
    }
}

/// A clock that advances only when the test says so.
pub struct FakeClock {
    now_ns: Cell<u64>,
    sleepers: RefCell<Vec<(u64, oneshot::Sender<()>)>>,
}

/// The time of day at which every fake clock starts.
pub const EPOCH_SECONDS: u64 = 1_700_000_000;

impl Default for FakeClock {
    fn default() -> Self {
        Self { now_ns: Cell::new(1_000_000), sleepers: RefCell::default() }
    }
}

impl FakeClock {
    pub fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    pub fn advance(&self, nanoseconds: u64) {
        self.now_ns.set(self.now_ns.get() + nanoseconds);
        let now = self.now_ns.get();
        let (due, later) = self.sleepers.take().into_iter().partition(|sleeper| sleeper.0 <= now);
        self.sleepers.replace(later);
        let due: Vec<(u64, oneshot::Sender<()>)> = due;
        due.into_iter().for_each(|sleeper| sleeper.1.send(()).unwrap_or(()));
    }

    /// Advances to the next sleeper's time; false if there is none.
    pub fn advance_to_next(&self) -> bool {
        let next = self.sleepers.borrow().iter().map(|sleeper| sleeper.0).min();
        let Some(next) = next else { return false };
        self.advance(next.saturating_sub(self.now_ns.get()));
        true
    }
}

struct TimerServer(Rc<FakeClock>);

pub fn timer(clock: &Rc<FakeClock>) -> timer::Client {
    capnp_rpc::new_client(TimerServer(clock.clone()))
}

impl timer::Server for TimerServer {
    async fn now(self: Rc<Self>, _: timer::NowParams, mut results: timer::NowResults) -> Result<(), Error> {
        results.get().set_nanoseconds(self.0.now_ns());
        Ok(())
    }

    async fn sleep_until(
        self: Rc<Self>,
        params: timer::SleepUntilParams,
        _: timer::SleepUntilResults,
    ) -> Result<(), Error> {
        let deadline = params.get()?.get_nanoseconds();
        if deadline > self.0.now_ns() {
            let (sender, receiver) = oneshot::channel();
            self.0.sleepers.borrow_mut().push((deadline, sender));
            let _ = receiver.await;
        }
        Ok(())
    }
}

struct WallClockServer(Rc<FakeClock>);

pub fn wall_clock(clock: &Rc<FakeClock>) -> wall_clock::Client {
    capnp_rpc::new_client(WallClockServer(clock.clone()))
}

impl wall_clock::Server for WallClockServer {
    async fn now(
        self: Rc<Self>,
        _: wall_clock::NowParams,
        mut results: wall_clock::NowResults,
    ) -> Result<(), Error> {
        let now = self.0.now_ns();
        results.get().set_seconds(EPOCH_SECONDS + now / 1_000_000_000);
        results.get().set_nanoseconds((now % 1_000_000_000) as u32);
        Ok(())
    }

    async fn resolution(
        self: Rc<Self>,
        _: wall_clock::ResolutionParams,
        mut results: wall_clock::ResolutionResults,
    ) -> Result<(), Error> {
        results.get().set_nanoseconds(1_000);
        Ok(())
    }
}

struct EntropyServer(Cell<u8>);

/// Returns 1, 2, 3, … so that a test can check that every byte was filled.
pub fn entropy() -> entropy_source::Client {
    capnp_rpc::new_client(EntropyServer(Cell::new(0)))
}

impl entropy_source::Server for EntropyServer {
    async fn fill(
        self: Rc<Self>,
        params: entropy_source::FillParams,
        mut results: entropy_source::FillResults,
    ) -> Result<(), Error> {
        let length = params.get()?.get_length();
        if length > MAX_FILL_BYTES {
            return Err(Error::overloaded("too much at once".into()));
        }
        for byte in results.get().init_bytes(length) {
            let next = self.0.get() % 255 + 1;
            self.0.set(next);
            *byte = next;
        }
        Ok(())
    }
}
