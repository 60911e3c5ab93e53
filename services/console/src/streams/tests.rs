//! Streams over a line controlled by the tests.

use super::*;
use capos_streams::Terminal;
use std::cell::Cell;
use std::pin::{Pin, pin};

/// A line that passes on data as the test allows.
#[derive(Default)]
struct Wire {
    ring: Vec<u8>,
    waiting: VecDeque<Range<usize>>,
    sent: usize,
    arrived: Vec<u8>,
    noticed: bool,
}

#[derive(Clone, Default)]
struct FakeLine(Rc<RefCell<Wire>>);

impl Line for FakeLine {
    fn put(&mut self, offset: usize, bytes: &[u8]) -> Result<(), Broken> {
        let mut wire = self.0.borrow_mut();
        wire.ring.resize(OUTGOING_BYTES, 0);
        wire.ring[offset..offset + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn send(&mut self, piece: Range<usize>) -> Result<bool, Broken> {
        let mut wire = self.0.borrow_mut();
        let takes = wire.waiting.len() < 2;
        if takes {
            wire.waiting.push_back(piece);
        }
        Ok(takes)
    }

    fn take_sent(&mut self) -> Result<usize, Broken> {
        Ok(std::mem::take(&mut self.0.borrow_mut().sent))
    }

    fn set_notice(&mut self, wanted: bool) -> bool {
        let mut wire = self.0.borrow_mut();
        wire.noticed = wanted;
        wanted && wire.sent > 0
    }
}

struct Setup {
    line: FakeLine,
    streams: Rc<Streams>,
    /// Whether the host acknowledges what arrives.
    host_takes: Cell<bool>,
}

impl Setup {
    fn new() -> Self {
        let line = FakeLine::default();
        let streams = Rc::new(Streams::new(Box::new(line.clone())).unwrap());
        Self { line, streams, host_takes: Cell::new(true) }
    }

    /// Lets the line pass on its next piece. Returns whether there was one.
    fn step(&self) -> bool {
        let mut wire = self.line.0.borrow_mut();
        let Some(piece) = wire.waiting.pop_front() else { return false };
        let bytes = wire.ring[piece].to_vec();
        let length = bytes.len();
        wire.sent += length;
        wire.arrived.extend(bytes);
        let noticed = wire.noticed;
        drop(wire);
        if noticed {
            self.streams.pump().unwrap();
        }
        if self.host_takes.get() {
            self.host_says(&Message::Taken(length as u32)).unwrap();
        }
        true
    }

    fn send_all(&self) {
        while self.step() {}
    }

    /// Everything that has arrived, by stream, and how much input was requested.
    fn arrived(&self) -> (Vec<u8>, Vec<u8>, usize) {
        let wire = self.line.0.borrow();
        let (mut decoder, mut bytes) = (Decoder::new(), wire.arrived.as_slice());
        let (mut output, mut errors, mut wanted) = (Vec::new(), Vec::new(), 0);
        assert_eq!(decoder.next(&mut bytes), Ok(Some(Message::Hello)));
        while let Some(message) = decoder.next(&mut bytes).unwrap() {
            match message {
                Message::Output(Output::Standard, piece) => output.extend_from_slice(piece),
                Message::Output(Output::Errors, piece) => errors.extend_from_slice(piece),
                Message::Want(more) => wanted += more as usize,
                other => panic!("{other:?}"),
            }
        }
        (output, errors, wanted)
    }

    fn host_says(&self, message: &Message<'_>) -> Result<(), Broken> {
        self.streams.received(&message.frame())
    }
}

fn poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// The output of a future that is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("waits"),
    }
}

fn read(setup: &Setup, most: usize) -> Poll<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = poll(pin!(setup.streams.read(most, |piece| bytes.extend_from_slice(piece))));
    read.map(|result| {
        result.unwrap();
        bytes
    })
}

#[test]
fn outputs_arrive_apart_and_whole() {
    let setup = Setup::new();
    let all: Vec<u8> = (0..=255).collect();
    now(setup.streams.write(Output::Standard, &[&all, b"\n"])).unwrap();
    now(setup.streams.write(Output::Errors, &[b"oh"])).unwrap();
    now(setup.streams.write(Output::Standard, &[b""])).unwrap();
    now(setup.streams.write(Output::Standard, &[b"end"])).unwrap();
    setup.send_all();
    let (output, errors, _) = setup.arrived();
    assert_eq!(output, [all.as_slice(), b"\nend"].concat());
    assert_eq!(errors, b"oh");
}

#[test]
fn writers_wait_for_room_in_turn() {
    let setup = Setup::new();
    let block = vec![1; 32 << 10];
    let mut writes = 0;
    // A writer that finds no room waits, and later ones queue behind it, however little they write.
    let parts = [block.as_slice()];
    let mut waiting = loop {
        let mut write = Box::pin(setup.streams.write(Output::Standard, &parts));
        match poll(write.as_mut()) {
            Poll::Ready(result) => result.unwrap(),
            Poll::Pending => break write,
        }
        writes += 1;
        assert!(writes < 10, "output that nobody takes is stored without end");
    };
    let small = [b"2".as_slice()];
    let mut second = Box::pin(setup.streams.write(Output::Standard, &small));
    assert!(poll(second.as_mut()).is_pending());
    assert!(setup.line.0.borrow().noticed, "a writer waits, and the line is not asked to tell");
    setup.step();
    setup.step();
    assert!(poll(second.as_mut()).is_pending(), "overtaken");
    assert!(poll(waiting.as_mut()).is_ready());
    assert!(poll(second.as_mut()).is_ready());
    drop((waiting, second));
    setup.send_all();
    let (output, ..) = setup.arrived();
    assert_eq!((output.len(), output.last()), ((writes + 1) * block.len() + 1, Some(&b'2')));
}

#[test]
fn a_writer_that_gives_up_holds_nobody_up() {
    let setup = Setup::new();
    let block = vec![1; 32 << 10];
    let parts = [block.as_slice()];
    while now_or_never(setup.streams.write(Output::Standard, &parts)) {}
    let mut waiting = Box::pin(setup.streams.write(Output::Standard, &parts));
    assert!(poll(waiting.as_mut()).is_pending());
    drop(waiting);
    now(setup.streams.write(Output::Errors, &[b"x"])).unwrap();
}

fn now_or_never(future: impl Future<Output = Result<(), Error>>) -> bool {
    poll(pin!(future)).is_ready()
}

/// A line may lose data that its other end does not accept, so little is sent ahead.
#[test]
fn little_is_sent_ahead_of_the_host() {
    let setup = Setup::new();
    setup.host_takes.set(false);
    let block = vec![1; 20_000];
    let parts = [block.as_slice()];
    while now_or_never(setup.streams.write(Output::Standard, &parts)) {
        setup.send_all();
    }
    setup.send_all();
    let arrived = setup.line.0.borrow().arrived.len();
    assert!(arrived > WINDOW_BYTES / 2 && arrived <= WINDOW_BYTES, "{arrived}");
    setup.host_takes.set(true);
    setup.host_says(&Message::Taken(arrived as u32)).unwrap();
    setup.send_all();
    assert!(setup.line.0.borrow().arrived.len() > arrived + 20_000);
}

#[test]
fn flushing_waits_for_what_was_written() {
    let setup = Setup::new();
    now(setup.streams.write(Output::Standard, &[b"a"])).unwrap();
    let mut flush = Box::pin(setup.streams.flush());
    assert!(poll(flush.as_mut()).is_pending());
    now(setup.streams.write(Output::Standard, &[b"later"])).unwrap();
    setup.step();
    assert!(poll(flush.as_mut()).is_pending(), "the greeting has arrived, and nothing else");
    setup.step();
    assert!(poll(flush.as_mut()).is_ready());
}

#[test]
fn input_comes_only_as_it_was_asked_for() {
    let setup = Setup::new();
    setup.send_all();
    assert_eq!(setup.arrived().2, 0, "input was asked for, and nobody reads");
    assert!(read(&setup, 10).is_pending());
    setup.send_all();
    assert_eq!(setup.arrived().2, INCOMING_BYTES);
    setup.host_says(&Message::Input(b"one two")).unwrap();
    assert_eq!(read(&setup, 4), Poll::Ready(b"one ".to_vec()));
    assert_eq!(read(&setup, 40), Poll::Ready(b"two".to_vec()));
    assert!(read(&setup, 1).is_pending());
    setup.host_says(&Message::InputEnded).unwrap();
    assert_eq!(read(&setup, 1), Poll::Ready(Vec::new()));
    assert_eq!(read(&setup, 1), Poll::Ready(Vec::new()));
}

#[test]
fn input_that_the_host_cannot_read_has_no_regular_end() {
    let setup = Setup::new();
    assert!(read(&setup, 10).is_pending());
    setup.host_says(&Message::Input(b"one")).unwrap();
    setup.host_says(&Message::InputFailed).unwrap();
    assert_eq!(read(&setup, 2), Poll::Ready(b"on".to_vec()));
    assert_eq!(read(&setup, 2), Poll::Ready(b"e".to_vec()));
    for _ in 0..2 {
        let error = now(setup.streams.read(2, |bytes| panic!("{bytes:?}"))).unwrap_err();
        assert_eq!(error.kind, capnp::ErrorKind::Failed);
    }
}

#[test]
fn however_much_input_there_is_little_is_stored() {
    let setup = Setup::new();
    let (mut given, mut taken) = (0, 0);
    let bytes = vec![7; 3000];
    for _ in 0..1000 {
        if let Poll::Ready(piece) = read(&setup, 2500) {
            taken += piece.len();
        }
        setup.send_all();
        let more = bytes.len().min(setup.arrived().2 - given);
        setup.host_says(&Message::Input(&bytes[..more])).unwrap();
        given += more;
        assert!(given - taken <= INCOMING_BYTES);
    }
    assert!(taken > 1_000_000, "{taken}");
}

#[test]
fn hosts_that_lie_are_refused() {
    for (asked, messages) in [
        (false, vec![Message::Input(b"x")]),
        (true, vec![Message::InputEnded, Message::InputEnded]),
        (true, vec![Message::InputEnded, Message::Input(b"x")]),
        (true, vec![Message::InputEnded, Message::InputFailed]),
        (true, vec![Message::InputFailed, Message::Input(b"x")]),
        (true, vec![Message::Taken(1 << 20)]),
        (true, vec![Message::Hello]),
        (true, vec![Message::Want(1)]),
        (true, vec![Message::Output(Output::Standard, b"x")]),
    ] {
        let setup = Setup::new();
        if asked {
            assert!(read(&setup, 1).is_pending());
        }
        let (last, first) = messages.split_last().unwrap();
        first.iter().for_each(|message| setup.host_says(message).unwrap());
        assert!(setup.host_says(last).is_err(), "{messages:?}");
    }
    let setup = Setup::new();
    assert!(read(&setup, 1).is_pending());
    let much = vec![0; INCOMING_BYTES + 1];
    assert!(setup.host_says(&Message::Input(&much)).is_err());
}

#[test]
fn an_output_that_nobody_takes_says_so() {
    let setup = Setup::new();
    setup.host_says(&Message::Closed(Output::Standard)).unwrap();
    let error = now(setup.streams.write(Output::Standard, &[b"x"])).unwrap_err();
    assert_eq!(error.kind, capnp::ErrorKind::Disconnected);
    now(setup.streams.write(Output::Errors, &[b"still there"])).unwrap();
}

#[test]
fn terminals_are_those_of_the_host() {
    let setup = Setup::new();
    let mut asking = Box::pin(setup.streams.terminals());
    assert!(poll(asking.as_mut()).is_pending());
    let terminal = Terminal { is_terminal: true, columns: 80, rows: 25 };
    let terminals = Terminals { errors: terminal, ..Terminals::default() };
    setup.host_says(&Message::Terminals(terminals)).unwrap();
    let Poll::Ready(found) = poll(asking.as_mut()) else { panic!("still waits") };
    assert_eq!(found.unwrap(), terminals);
}

#[test]
fn when_the_line_fails_everyone_hears_of_it() {
    let setup = Setup::new();
    let mut reading = Box::pin(setup.streams.read(1, |_| ()));
    let mut asking = Box::pin(setup.streams.terminals());
    let mut broken = Box::pin(setup.streams.broken());
    assert!(poll(reading.as_mut()).is_pending() && poll(asking.as_mut()).is_pending());
    assert!(poll(broken.as_mut()).is_pending());
    setup.streams.fail(Broken("first"));
    setup.streams.fail(Broken("second"));
    assert!(matches!(poll(reading.as_mut()), Poll::Ready(Err(_))));
    assert!(matches!(poll(asking.as_mut()), Poll::Ready(Err(_))));
    assert_eq!(poll(broken.as_mut()), Poll::Ready(Broken("first")));
    assert!(now(setup.streams.write(Output::Errors, &[b"x"])).is_err());
}
