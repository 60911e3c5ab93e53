//! The host's end against a simulated guest.

use super::*;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};

use capos_streams::Terminal;

/// Stores everything written to it, until it fails.
#[derive(Clone)]
struct Kept(Arc<Mutex<Vec<u8>>>, Option<ErrorKind>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.1 {
            return Err(kind.into());
        }
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Input that reports the amount requested.
struct Asked<R>(R, Sender<usize>);

impl<R: Read> Read for Asked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _ = self.1.send(buffer.len());
        self.0.read(buffer)
    }
}

struct Play {
    guest: UnixStream,
    decoder: Decoder,
    output: Arc<Mutex<Vec<u8>>>,
    errors: Arc<Mutex<Vec<u8>>>,
    asked: Receiver<usize>,
    relay: thread::JoinHandle<io::Result<()>>,
}

fn terminals() -> Terminals {
    let terminal = Terminal { is_terminal: true, columns: 80, rows: 25 };
    Terminals { input: terminal, ..Terminals::default() }
}

impl Play {
    fn new(input: &'static [u8], output_fails: Option<ErrorKind>) -> Self {
        let (guest, host) = UnixStream::pair().unwrap();
        let (output, errors) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::<Mutex<Vec<u8>>>::default());
        let (asks, asked) = channel();
        let console = Console {
            input: Box::new(Asked(input, asks)),
            output: Box::new(Kept(output.clone(), output_fails)),
            errors: Box::new(Kept(errors.clone(), None)),
            terminals: Arc::new(terminals),
        };
        let relay = thread::spawn(move || {
            let guest = Guest::new(Box::new(host.try_clone().unwrap()));
            relay(&mut &host, &guest, console)
        });
        Self { guest, decoder: Decoder::new(), output, errors, asked, relay }
    }

    fn say(&mut self, message: &Message<'_>) {
        self.guest.write_all(&message.frame()).unwrap();
    }

    /// Reads messages from the host until `found` returns true for one, as text.
    fn hear(&mut self, mut found: impl FnMut(&str) -> bool) {
        loop {
            // One at a time, so that data after the message is left for the next call.
            let mut bytes = [0; 1];
            let count = self.guest.read(&mut bytes).unwrap();
            assert!(count > 0, "the host hung up");
            let mut bytes = &bytes[..count];
            while let Some(message) = self.decoder.next(&mut bytes).unwrap() {
                if found(&format!("{message:?}")) {
                    return;
                }
            }
        }
    }

    fn end(self) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        self.guest.shutdown(Shutdown::Both).unwrap();
        let result = self.relay.join().unwrap();
        (result, lock(&self.output).clone(), lock(&self.errors).clone())
    }
}

#[test]
fn outputs_go_where_they_belong() {
    let mut play = Play::new(b"", None);
    play.say(&Message::Hello);
    play.say(&Message::Output(Output::Standard, b"a\0\x04"));
    play.say(&Message::Output(Output::Errors, b"b"));
    play.say(&Message::Output(Output::Standard, b"c"));
    let (result, output, errors) = play.end();
    result.unwrap();
    assert_eq!((output.as_slice(), errors.as_slice()), (b"a\0\x04c".as_slice(), b"b".as_slice()));
}

#[test]
fn input_is_read_only_as_far_as_it_is_wanted() {
    let mut play = Play::new(b"one two", None);
    play.say(&Message::Hello);
    play.hear(|message| message == format!("{:?}", Message::Terminals(terminals())));
    assert!(play.asked.try_recv().is_err(), "input was read that nobody wants");
    play.say(&Message::Want(4));
    let mut heard = 0;
    play.hear(|message| {
        if message.starts_with("Input(") {
            heard += message.matches(", ").count() + 1;
        }
        heard == 4
    });
    assert_eq!(play.asked.recv(), Ok(4));
    play.say(&Message::Want(100));
    play.hear(|message| message == "InputEnded");
    assert_eq!(play.asked.recv(), Ok(100));
    play.end().0.unwrap();
}

#[test]
fn an_output_that_cannot_be_written_is_closed_for_the_guest() {
    let mut play = Play::new(b"", Some(ErrorKind::BrokenPipe));
    play.say(&Message::Hello);
    play.say(&Message::Output(Output::Standard, b"lost"));
    play.hear(|message| message == "Closed(Standard)");
    play.say(&Message::Output(Output::Standard, b"lost"));
    play.say(&Message::Output(Output::Errors, b"seen"));
    let (result, _, errors) = play.end();
    result.unwrap();
    assert_eq!(errors, b"seen");
}

#[test]
fn the_guest_hears_what_was_taken() {
    let mut play = Play::new(b"", None);
    play.say(&Message::Hello);
    play.hear(|message| message == "Taken(24)");
    play.end().0.unwrap();
}

#[test]
fn guests_that_break_the_rules_end_the_run() {
    for messages in [[Message::Hello, Message::Hello], [Message::Hello, Message::InputEnded]] {
        let mut play = Play::new(b"", None);
        messages.iter().for_each(|message| play.say(message));
        assert_eq!(play.end().0.unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
