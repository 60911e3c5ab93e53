//! The streams of one console: data in transit, and waiting readers and writers.

use crate::outgoing::Outgoing;
use crate::turns::Turns;
use capnp::Error;
use capos_streams::{Decoder, HEADER_BYTES, HELLO, Message, Output, Terminals, WINDOW_BYTES, output_header};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Capacity for output in transit to the line.
pub(crate) const OUTGOING_BYTES: usize = 128 << 10;
/// Maximum of input requested and not read yet.
pub(crate) const INCOMING_BYTES: usize = 128 << 10;
/// Maximum size of one submission to the line.
const PIECE_BYTES: usize = 32 << 10;
/// Minimum size of a submission while the host has not acknowledged everything, so that many small writes cost little,
/// and use little of a socket's buffer.
const BATCH_BYTES: usize = 16 << 10;
/// Reserved in the output ring, so that input can always be requested.
const RESERVED_BYTES: usize = HEADER_BYTES + size_of::<u32>();

/// A carrier of bytes to the host. Its ring of [`OUTGOING_BYTES`] holds them until they have arrived.
pub(crate) trait Line {
    /// Stores bytes in a part of the ring that is not submitted.
    fn put(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Broken>;
    /// Submits a part of the ring, following the previous one. `false` if the line is busy.
    fn send(&mut self, piece: Range<usize>) -> Result<bool, Broken>;
    /// The number of bytes passed on since the last call.
    fn take_sent(&mut self) -> Result<usize, Broken>;
    /// Whether [`Streams::pump`] must be called when bytes have been passed on. Returns whether that is already the
    /// case.
    fn set_notice(&mut self, wanted: bool) -> bool;
}

/// The line, or the host at its other end, violated the protocol or is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) &'static str);

impl From<Broken> for Error {
    fn from(Broken(reason): Broken) -> Self {
        Self::disconnected(reason.into())
    }
}

/// How the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InputEnd {
    Regular,
    /// The host could not read the rest of it.
    Failed,
}

pub(crate) struct Streams(RefCell<State>);

struct State {
    line: Box<dyn Line>,
    outgoing: Outgoing,
    /// Bytes that the host has acknowledged since the start.
    taken: u64,
    writers: Turns,
    /// Tasks that wait until everything before a mark has been acknowledged.
    flushers: Vec<Waker>,
    decoder: Decoder,
    input: VecDeque<u8>,
    /// Bytes of input requested but not received.
    asked: usize,
    input_end: Option<InputEnd>,
    readers: Vec<Waker>,
    terminals: Option<Terminals>,
    /// Tasks that wait for the host's first message.
    curious: Vec<Waker>,
    /// Outputs whose reader is gone.
    closed: [bool; 2],
    broken: Option<Broken>,
}

impl Streams {
    /// Sends the greeting to the host.
    pub(crate) fn new(line: Box<dyn Line>) -> Result<Self, Broken> {
        let mut state = State {
            line,
            outgoing: Outgoing::new(OUTGOING_BYTES),
            taken: 0,
            writers: Turns::default(),
            flushers: Vec::new(),
            decoder: Decoder::new(),
            input: VecDeque::new(),
            asked: 0,
            input_end: None,
            readers: Vec::new(),
            terminals: None,
            curious: Vec::new(),
            closed: [false; 2],
            broken: None,
        };
        state.put(&[&HELLO])?;
        state.pump()?;
        Ok(Self(RefCell::new(state)))
    }

    /// Waits until `look` returns a result; `look` must arrange its own wake-up.
    async fn wait_for<T>(
        &self,
        mut look: impl FnMut(&mut State, &mut Context<'_>) -> Result<Option<T>, Broken>,
    ) -> Result<T, Error> {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            if let Some(broken) = state.broken {
                return Poll::Ready(Err(broken.into()));
            }
            match look(&mut state, context) {
                Ok(Some(found)) => Poll::Ready(Ok(found)),
                Ok(None) => Poll::Pending,
                Err(broken) => {
                    state.fail(broken);
                    Poll::Ready(Err(broken.into()))
                }
            }
        })
        .await
    }

    /// Writes the parts contiguously to an output. Returns when the console has stored them. The parts with their
    /// header must fit into the ring with room to spare.
    pub(crate) async fn write(self: &Rc<Self>, output: Output, parts: &[&[u8]]) -> Result<(), Error> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        if length == 0 {
            return Ok(());
        }
        let header =
            output_header(output, u32::try_from(length).map_err(|_| Error::overloaded(String::new()))?);
        let mut turn = Turn { streams: self, number: None };
        let is_open = self
            .wait_for(|state, context| {
                let is_closed = state.closed.get(output as usize - 1) == Some(&true);
                if is_closed {
                    return Ok(Some(false));
                }
                let needed = HEADER_BYTES + length + RESERVED_BYTES;
                let is_first = state.writers.is_first(turn.number);
                if is_first && state.outgoing.room() < needed {
                    state.pump()?;
                }
                if !is_first || state.outgoing.room() < needed {
                    turn.number = Some(state.writers.wait(turn.number, context.waker()));
                    // There is a waiter now, so the line must notify when there is room.
                    state.pump()?;
                    return Ok(None);
                }
                state.put(&[&header])?;
                state.put(parts)?;
                state.pump()?;
                Ok(Some(true))
            })
            .await?;
        if is_open { Ok(()) } else { Err(Error::disconnected("the output's reader is gone".into())) }
    }

    /// Waits for input and passes a contiguous part of it to `take`. After the end of input `take` gets nothing.
    ///
    /// # Errors
    /// `failed` when all input has been passed on and the host could not read more.
    pub(crate) async fn read(&self, most: usize, mut take: impl FnMut(&[u8])) -> Result<(), Error> {
        let is_whole = self
            .wait_for(|state, context| {
                let (piece, _) = state.input.as_slices();
                let piece = piece.get(..most.min(piece.len())).unwrap_or_default();
                match state.input_end {
                    None if piece.is_empty() => {
                        state.readers.push(context.waker().clone());
                        state.pump()?;
                        return Ok(None);
                    }
                    Some(InputEnd::Failed) if piece.is_empty() => return Ok(Some(false)),
                    _ => {}
                }
                take(piece);
                let length = piece.len();
                state.input.drain(..length);
                state.ask_for_input()?;
                state.pump()?;
                Ok(Some(true))
            })
            .await?;
        if is_whole { Ok(()) } else { Err(Error::failed("the host could not read the input".into())) }
    }

    /// The kinds of the streams on the host, once it has sent them.
    pub(crate) async fn terminals(&self) -> Result<Terminals, Error> {
        self.wait_for(|state, context| {
            if state.terminals.is_none() {
                state.curious.push(context.waker().clone());
            }
            Ok(state.terminals)
        })
        .await
    }

    /// Waits until the host has acknowledged everything written before.
    pub(crate) async fn flush(&self) -> Result<(), Error> {
        let mark = self.0.borrow().outgoing.mark();
        self.wait_for(|state, context| {
            state.pump()?;
            if state.outgoing.is_past(mark) {
                return Ok(Some(()));
            }
            state.flushers.push(context.waker().clone());
            state.pump()?;
            Ok(None)
        })
        .await
    }

    /// Waits until the console fails, and returns the cause.
    pub(crate) async fn broken(&self) -> Broken {
        poll_fn(|context| {
            let mut state = self.0.borrow_mut();
            match state.broken {
                Some(broken) => Poll::Ready(broken),
                None => {
                    state.curious.push(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Processes bytes from the host.
    pub(crate) fn received(&self, mut bytes: &[u8]) -> Result<(), Broken> {
        let mut state = self.0.borrow_mut();
        loop {
            let message = state.decoder.next(&mut bytes).map_err(|_| Broken("the host sent no frame"))?;
            // The host may have acknowledged output.
            let Some(message) = message else { return state.pump() };
            state.receive(message)?;
        }
    }

    /// Submits as much as the line accepts, and records what it has passed on.
    pub(crate) fn pump(&self) -> Result<(), Broken> {
        self.0.borrow_mut().pump()
    }

    /// Fails all operations from now on.
    pub(crate) fn fail(&self, broken: Broken) {
        self.0.borrow_mut().fail(broken);
    }
}

impl State {
    /// Stores bytes in the ring, which has room for them.
    fn put(&mut self, parts: &[&[u8]]) -> Result<(), Broken> {
        for part in parts {
            let [first, second] = self.outgoing.fill(part.len());
            let (start, end) = part.split_at(first.len());
            self.line.put(first.start, start)?;
            self.line.put(second.start, end)?;
        }
        Ok(())
    }

    fn pump(&mut self) -> Result<(), Broken> {
        loop {
            let sent = self.line.take_sent()?;
            self.outgoing.finish(sent).ok_or(Broken("the line passed on more bytes than were submitted"))?;
            if sent > 0 {
                self.writers.wake_first();
                self.flushers.drain(..).for_each(Waker::wake);
            }
            if !self.readers.is_empty() {
                self.ask_for_input()?;
            }
            while let Some(piece) = self.next_piece() {
                let length = piece.len();
                if !self.line.send(piece)? {
                    break;
                }
                self.outgoing.begin(length);
            }
            let waited_for =
                self.outgoing.waiting() > 0 || !self.writers.is_empty() || !self.flushers.is_empty();
            if !self.line.set_notice(waited_for) {
                return Ok(());
            }
        }
    }

    /// The bytes to submit to the line now.
    fn next_piece(&self) -> Option<Range<usize>> {
        // Bounded by the window, which bounds each piece.
        let ahead = (self.outgoing.begun() - self.taken) as usize;
        let is_worth_it = ahead == 0 || self.outgoing.waiting() >= BATCH_BYTES;
        let most = WINDOW_BYTES.saturating_sub(ahead).min(PIECE_BYTES);
        is_worth_it.then(|| self.outgoing.next_piece(most)).flatten()
    }

    /// Requests more input if less than half of the maximum is outstanding.
    fn ask_for_input(&mut self) -> Result<(), Broken> {
        let held = self.input.len() + self.asked;
        if self.input_end.is_some() || held > INCOMING_BYTES / 2 || self.outgoing.room() < RESERVED_BYTES {
            return Ok(());
        }
        let more = INCOMING_BYTES - held;
        self.asked += more;
        // At most a few hundred thousand.
        self.put(&[&Message::Want(more as u32).frame()])
    }

    fn receive(&mut self, message: Message<'_>) -> Result<(), Broken> {
        match message {
            Message::Terminals(terminals) => {
                self.terminals = Some(terminals);
                self.curious.drain(..).for_each(Waker::wake);
            }
            Message::Input(bytes) => {
                let left = self.asked.checked_sub(bytes.len());
                self.asked =
                    left.ok_or(Broken("the host violated the stream protocol: more input than requested"))?;
                self.input.extend(bytes);
                self.readers.drain(..).for_each(Waker::wake);
            }
            Message::InputEnded => self.end_input(InputEnd::Regular)?,
            Message::InputFailed => self.end_input(InputEnd::Failed)?,
            Message::Closed(output) => {
                if let Some(closed) = self.closed.get_mut(output as usize - 1) {
                    *closed = true;
                }
                self.writers.wake_all();
            }
            Message::Taken(bytes) => {
                let taken = self.taken + u64::from(bytes);
                if taken > self.outgoing.begun() {
                    return Err(Broken(
                        "the host violated the stream protocol: acknowledged more than was sent",
                    ));
                }
                self.taken = taken;
            }
            Message::Hello | Message::Output(..) | Message::Want(_) => {
                return Err(Broken("the host violated the stream protocol: sent a machine's message"));
            }
        }
        Ok(())
    }

    fn end_input(&mut self, end: InputEnd) -> Result<(), Broken> {
        if self.input_end.replace(end).is_some() {
            return Err(Broken("the host violated the stream protocol: second end of input"));
        }
        self.asked = 0;
        self.readers.drain(..).for_each(Waker::wake);
        Ok(())
    }

    fn fail(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
        self.writers.wake_all();
        for waiting in [&mut self.flushers, &mut self.readers, &mut self.curious] {
            waiting.drain(..).for_each(Waker::wake);
        }
    }
}

/// A writer's place in the queue; given up when dropped.
struct Turn<'a> {
    streams: &'a Rc<Streams>,
    number: Option<u64>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.streams.0.borrow_mut().writers.leave(number);
        }
    }
}

#[cfg(test)]
mod tests;
