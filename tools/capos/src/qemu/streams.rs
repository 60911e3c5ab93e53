//! The host's end of the protocol that multiplexes a guest's streams (`capos-streams`).
//!
//! One thread receives the guest's frames and writes their data to the outputs, in the guest's order; while it writes,
//! the guest waits. Another reads our input, as far as the guest has requested it.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use capos_streams::{Decoder, Message, Output, Terminals, input_header};

use super::console::Console;
use super::input;
use crate::say::say;

/// Maximum number of bytes read or written at once.
const PIECE_BYTES: usize = 64 << 10;

/// The sending side to the guest, used by several threads.
pub(super) struct Guest {
    line: Mutex<Box<dyn Write + Send>>,
    credit: Mutex<Credit>,
    more_credit: Condvar,
    /// Output of the guest could not be written, for another reason than a closed pipe.
    lost_output: AtomicBool,
}

#[derive(Default)]
struct Credit {
    /// Bytes of input that the guest has requested and not received yet.
    bytes: u64,
    /// The guest has ended.
    over: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panicked thread leaves a whole frame or a number, so the data is valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Guest {
    /// The guest at the other end of `line`.
    pub(super) fn new(line: Box<dyn Write + Send>) -> Arc<Self> {
        Arc::new(Self {
            line: Mutex::new(line),
            credit: Mutex::new(Credit::default()),
            more_credit: Condvar::new(),
            lost_output: AtomicBool::new(false),
        })
    }

    fn send(&self, parts: &[&[u8]]) -> io::Result<()> {
        let mut line = lock(&self.line);
        parts.iter().try_for_each(|part| line.write_all(part))?;
        line.flush()
    }

    /// Sends the kinds of the streams. Errors of a guest that has ended are ignored.
    pub(super) fn tell_terminals(&self, terminals: Terminals) {
        drop(self.send(&[&Message::Terminals(terminals).frame()]));
    }

    /// Whether output of the guest could not be written.
    pub(super) fn has_lost_output(&self) -> bool {
        self.lost_output.load(Ordering::Relaxed)
    }

    fn add_credit(&self, bytes: u32) {
        let mut credit = lock(&self.credit);
        credit.bytes = credit.bytes.saturating_add(bytes.into());
        self.more_credit.notify_all();
    }

    fn end(&self) {
        lock(&self.credit).over = true;
        self.more_credit.notify_all();
    }

    /// Waits until the guest requests input. Returns the amount; `None` when it has ended.
    fn wait_for_credit(&self) -> Option<u64> {
        let mut credit = lock(&self.credit);
        while credit.bytes == 0 && !credit.over {
            credit = self.more_credit.wait(credit).unwrap_or_else(PoisonError::into_inner);
        }
        (!credit.over).then_some(credit.bytes)
    }

    /// Sends input as requested, and then its end, or that it cannot be read.
    fn feed(&self, from: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Some(wanted) = self.wait_for_credit() {
            let most = usize::try_from(wanted).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let count = match from.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return self.send(&[&Message::InputEnded.frame()]),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.send(&[&Message::InputFailed.frame()])?;
                    return Err(error);
                }
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            // At most `PIECE_BYTES`.
            self.send(&[&input_header(count as u32), bytes])?;
            let mut credit = lock(&self.credit);
            credit.bytes = credit.bytes.saturating_sub(count as u64);
        }
        Ok(())
    }
}

/// The destinations of the guest's outputs.
struct Sinks {
    standard: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    closed: [bool; 2],
    /// Bytes not written yet, all of one output: small pieces are combined into larger writes.
    pending: Vec<u8>,
    pending_for: Output,
}

impl Sinks {
    fn new(standard: Box<dyn Write + Send>, errors: Box<dyn Write + Send>) -> Self {
        let pending = Vec::with_capacity(PIECE_BYTES);
        Self { standard, errors, closed: [false; 2], pending, pending_for: Output::Standard }
    }

    fn add(&mut self, output: Output, bytes: &[u8], guest: &Guest) {
        if output != self.pending_for {
            self.write(guest);
            self.pending_for = output;
        }
        self.pending.extend_from_slice(bytes);
    }

    /// Writes the pending bytes. An output that fails is closed for the guest.
    fn write(&mut self, guest: &Guest) {
        let output = self.pending_for;
        let Some(closed) = self.closed.get_mut(output as usize - 1) else { return };
        if self.pending.is_empty() || *closed {
            return self.pending.clear();
        }
        let sink = if output == Output::Standard { &mut self.standard } else { &mut self.errors };
        let written = sink.write_all(&self.pending).and_then(|()| sink.flush());
        self.pending.clear();
        if let Err(error) = written {
            *closed = true;
            if error.kind() != ErrorKind::BrokenPipe {
                let name = if output == Output::Standard { "output" } else { "error" };
                say(format_args!("standard {name}: {error}"));
                guest.lost_output.store(true, Ordering::Relaxed);
            }
            // A guest that has ended needs no notice.
            drop(guest.send(&[&Message::Closed(output).frame()]));
        }
    }
}

/// Relays the streams in both directions until the guest's end of the line is closed.
///
/// The thread that reads our input is not joined: it may block on input for ever.
pub(super) fn relay(from: &mut dyn Read, guest: &Arc<Guest>, console: Console) -> io::Result<()> {
    let Console { mut input, output, errors, terminals } = console;
    let feeding = guest.clone();
    let input = move || {
        if let Err(error) = feeding.feed(&mut *input)
            && error.kind() != ErrorKind::BrokenPipe
        {
            say(input::unreadable(&error));
        }
    };
    let result = take(from, guest, Sinks::new(output, errors), || {
        guest.tell_terminals(terminals());
        thread::spawn(input);
    });
    guest.end();
    result
}

/// Receives the guest's frames; calls `greeted` at its greeting.
fn take(from: &mut dyn Read, guest: &Guest, mut sinks: Sinks, greeted: impl FnOnce()) -> io::Result<()> {
    let mut greeted = Some(greeted);
    let mut decoder = Decoder::new();
    let mut buffer = vec![0; PIECE_BYTES];
    let mut bytes: &[u8] = &[];
    let mut taken = 0;
    loop {
        let invalid = |reason: &str| io::Error::new(ErrorKind::InvalidData, reason.to_owned());
        while let Some(message) = decoder.next(&mut bytes).map_err(|error| invalid(&error.to_string()))? {
            match message {
                Message::Hello => match greeted.take() {
                    Some(greeted) => greeted(),
                    None => return Err(invalid("the guest violated the stream protocol: second greeting")),
                },
                Message::Output(output, bytes) => sinks.add(output, bytes, guest),
                Message::Want(bytes) => guest.add_credit(bytes),
                _ => return Err(invalid("the guest violated the stream protocol: sent a host message")),
            }
        }
        sinks.write(guest);
        if taken > 0 {
            // The line loses data that is sent faster than this. A guest that has ended needs no notice.
            drop(guest.send(&[&Message::Taken(taken).frame()]));
        }
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            // QEMU was killed.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => 0,
            Err(error) => return Err(error),
        };
        bytes = buffer.get(..count).unwrap_or_default();
        // At most `PIECE_BYTES`.
        taken = count as u32;
    }
}

#[cfg(test)]
mod tests;
