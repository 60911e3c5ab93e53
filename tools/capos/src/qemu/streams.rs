//! The host's end of the protocol that keeps a guest's streams apart (`capos-streams`).
//!
//! One thread takes what the guest sends and writes it where it belongs, in the order in which the guest wrote it; while
//! it writes, the guest waits. Another reads our input, as far as the guest has asked for it.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use capos_streams::{Decoder, Message, Output, Terminals, input_header};

use super::console::Console;
use crate::say::say;

/// Read and written at once, at most.
const PIECE_BYTES: usize = 64 << 10;

/// The way to the guest, used by several threads.
pub(super) struct Guest {
    line: Mutex<Box<dyn Write + Send>>,
    credit: Mutex<Credit>,
    more_credit: Condvar,
    /// Something that the guest wrote could not be written, for another reason than that nobody reads it.
    lost_output: AtomicBool,
}

#[derive(Default)]
struct Credit {
    /// Bytes of input that the guest has asked for and not been sent.
    bytes: u64,
    /// The guest has ended.
    over: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a thread that panicked left is a whole frame or a number.
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

    /// Says what the streams are connected to. A guest that has ended is not interested.
    pub(super) fn tell_terminals(&self, terminals: Terminals) {
        drop(self.send(&[&Message::Terminals(terminals).frame()]));
    }

    /// Whether something that the guest wrote could not be written where it belongs.
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

    /// Waits until the guest wants input. Returns how much; `None` when it has ended.
    fn wait_for_credit(&self) -> Option<u64> {
        let mut credit = lock(&self.credit);
        while credit.bytes == 0 && !credit.over {
            credit = self.more_credit.wait(credit).unwrap_or_else(PoisonError::into_inner);
        }
        (!credit.over).then_some(credit.bytes)
    }

    /// Sends input as it is wanted, and then its end.
    fn feed(&self, from: &mut dyn Read) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        while let Some(wanted) = self.wait_for_credit() {
            let most = usize::try_from(wanted).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            let count = match from.read(buffer.get_mut(..most).unwrap_or_default()) {
                Ok(0) => return self.send(&[&Message::InputEnded.frame()]),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // All that can be told is that there is no more.
                    self.send(&[&Message::InputEnded.frame()])?;
                    return Err(error);
                }
            };
            let bytes = buffer.get(..count).unwrap_or_default();
            // At most a piece.
            self.send(&[&input_header(count as u32), bytes])?;
            let mut credit = lock(&self.credit);
            credit.bytes = credit.bytes.saturating_sub(count as u64);
        }
        Ok(())
    }
}

/// Where the guest's outputs go.
struct Sinks {
    standard: Box<dyn Write + Send>,
    errors: Box<dyn Write + Send>,
    closed: [bool; 2],
    /// Bytes that have not been written yet, all of one output: what comes in small pieces is written in larger ones.
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

    /// Writes what is pending. An output that cannot be written is closed for the guest.
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
            // A guest that has ended is not interested.
            drop(guest.send(&[&Message::Closed(output).frame()]));
        }
    }
}

/// Passes the streams both ways until the guest's end of the line is closed.
///
/// The thread that reads our input is not waited for: it may wait for input that nobody will type.
pub(super) fn relay(from: &mut dyn Read, guest: &Arc<Guest>, console: Console) -> io::Result<()> {
    let Console { mut input, output, errors, terminals } = console;
    let feeding = guest.clone();
    let input = move || {
        if let Err(error) = feeding.feed(&mut *input)
            && error.kind() != ErrorKind::BrokenPipe
        {
            say(format_args!("standard input: {error}"));
        }
    };
    let result = take(from, guest, Sinks::new(output, errors), || {
        guest.tell_terminals(terminals());
        thread::spawn(input);
    });
    guest.end();
    result
}

/// Takes what the guest sends; calls `greeted` when it begins to speak.
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
                    None => return Err(invalid("the guest begins twice")),
                },
                Message::Output(output, bytes) => sinks.add(output, bytes, guest),
                Message::Want(bytes) => guest.add_credit(bytes),
                _ => return Err(invalid("the guest sent what only the host sends")),
            }
        }
        sinks.write(guest);
        if taken > 0 {
            // Lines lose what is sent faster than this. A guest that has ended is not interested.
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
        // At most a piece.
        taken = count as u32;
    }
}

#[cfg(test)]
mod tests;
