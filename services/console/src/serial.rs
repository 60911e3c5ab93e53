//! The kernel's serial console as a line. It is read and written by ordinary calls, with at most one of each
//! in progress.

use crate::streams::{Broken, Line, OUTGOING_BYTES, Streams};
use capos_rt::Ask as _;
use capos_schema::console_capnp::{MAX_READ_BYTES, console};
use std::cell::RefCell;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Poll, Waker};

const OUTSIDE: Broken = Broken("a place outside the ring of output");

/// Output for the writing task.
#[derive(Clone)]
pub(crate) struct Sender(Rc<RefCell<State>>);

struct State {
    ring: Vec<u8>,
    under_way: Option<Range<usize>>,
    sent: usize,
    /// The writing task, when it is idle.
    idle: Option<Waker>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        let ring = vec![0; OUTGOING_BYTES];
        Self(Rc::new(RefCell::new(State { ring, under_way: None, sent: 0, idle: None })))
    }

    /// The next bytes to write.
    async fn next(&self) -> Vec<u8> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            let piece = state.under_way.clone().and_then(|piece| state.ring.get(piece));
            match piece {
                Some(piece) => Poll::Ready(piece.to_vec()),
                None => {
                    state.idle = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn finish(&self, length: usize) {
        let mut state = self.0.borrow_mut();
        state.under_way = None;
        state.sent += length;
    }
}

impl Line for Sender {
    fn put(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Broken> {
        let mut state = self.0.borrow_mut();
        let place = state.ring.get_mut(offset..).and_then(|ring| ring.get_mut(..bytes.len()));
        place.ok_or(OUTSIDE)?.copy_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, piece: Range<usize>) -> Result<bool, Broken> {
        let mut state = self.0.borrow_mut();
        if state.under_way.is_some() {
            return Ok(false);
        }
        state.under_way = Some(piece);
        if let Some(idle) = state.idle.take() {
            idle.wake();
        }
        Ok(true)
    }

    fn take_sent(&mut self) -> Result<usize, Broken> {
        Ok(std::mem::take(&mut self.0.borrow_mut().sent))
    }

    /// The writing task always notifies.
    fn set_notice(&mut self, _: bool) -> bool {
        false
    }
}

/// Writes outgoing bytes, until the line fails.
pub(crate) async fn write(line: console::Client, sender: Sender, streams: Rc<Streams>) {
    loop {
        let piece = sender.next().await;
        let mut request = line.write_request();
        request.get().set_bytes(&piece);
        let written = request.ask().await;
        sender.finish(piece.len());
        let pumped =
            written.map_err(|_| Broken("the serial line cannot be written")).and_then(|_| streams.pump());
        if let Err(broken) = pumped {
            return streams.fail(broken);
        }
    }
}

/// Reads incoming bytes, until the line or the host fails.
pub(crate) async fn read(line: console::Client, streams: Rc<Streams>) {
    loop {
        if let Err(broken) = read_once(&line, &streams).await {
            return streams.fail(broken);
        }
    }
}

async fn read_once(line: &console::Client, streams: &Streams) -> Result<(), Broken> {
    const FAILED: Broken = Broken("the serial line cannot be read");
    let mut request = line.read_request();
    request.get().set_max_bytes(MAX_READ_BYTES);
    let response = request.ask().await.map_err(|_| FAILED)?;
    let bytes = response.get().and_then(|results| results.get_bytes()).map_err(|_| FAILED)?;
    if bytes.is_empty() {
        return Err(Broken("the serial line has ended"));
    }
    streams.received(bytes)
}
