//! Messages and their encoding.

use std::fmt;

/// Bytes before a payload.
pub const HEADER_BYTES: usize = 8;
/// Maximum number of bytes that the machine has sent and the host has not acknowledged. It fits into the buffers of a
/// socket, including the host system's overhead for several pieces.
pub const WINDOW_BYTES: usize = 64 << 10;
/// Text of the first frame: the protocol and its version.
const GREETING: [u8; 16] = *b"capOS streams 1\n";
/// The machine's first frame. No program writes it by accident, so a host recognises a framed line by it.
pub const HELLO: [u8; HEADER_BYTES + GREETING.len()] = *b"\x01\0\0\0\x10\0\0\0capOS streams 1\n";

/// The longest payload of a message that is not a piece of a stream.
pub(crate) const LONGEST_FIXED: usize = TERMINALS_BYTES;
const TERMINALS_BYTES: usize = 3 * TERMINAL_BYTES;
const TERMINAL_BYTES: usize = 6;
const COUNT_BYTES: usize = size_of::<u32>();

/// A stream that the machine writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Standard = 1,
    /// Standard error.
    Errors = 2,
}

impl Output {
    /// Both outputs.
    pub const ALL: [Self; 2] = [Self::Standard, Self::Errors];

    fn from_number(number: u8) -> Result<Self, Malformed> {
        Self::ALL.into_iter().find(|output| *output as u8 == number).ok_or(Malformed)
    }
}

/// The host's end of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Whether it is a terminal.
    pub is_terminal: bool,
    /// The terminal's width in characters; 0 if unknown.
    pub columns: u16,
    /// The terminal's height in lines; 0 if unknown.
    pub rows: u16,
}

/// Standard input, output and error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminals {
    /// Standard input.
    pub input: Terminal,
    /// Standard output.
    pub output: Terminal,
    /// Standard error.
    pub errors: Terminal,
}

/// The error for bytes that are not a frame of this protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other end of the console violated the stream protocol: malformed frame")
    }
}

impl std::error::Error for Malformed {}

/// The kinds of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Hello = 1,
    Output = 2,
    Want = 3,
    Terminals = 4,
    Input = 5,
    InputEnded = 6,
    Closed = 7,
    Taken = 8,
    InputFailed = 9,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Hello,
        Self::Output,
        Self::Want,
        Self::Terminals,
        Self::Input,
        Self::InputEnded,
        Self::Closed,
        Self::Taken,
        Self::InputFailed,
    ];

    /// Whether its payload is a piece of a stream, of any length.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::Output | Self::Input)
    }

    /// The length of its payload, unless it is a piece of a stream.
    fn payload_bytes(self) -> usize {
        match self {
            Self::Hello => GREETING.len(),
            Self::Want | Self::Taken => COUNT_BYTES,
            Self::Terminals => TERMINALS_BYTES,
            Self::Output | Self::Input | Self::InputEnded | Self::InputFailed | Self::Closed => 0,
        }
    }
}

/// A frame's header, decoded and checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    stream: u8,
    pub(crate) length: u32,
}

impl Header {
    pub(crate) fn read(bytes: [u8; HEADER_BYTES]) -> Result<Self, Malformed> {
        let [kind, stream, 0, 0, length @ ..] = bytes else { return Err(Malformed) };
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind).ok_or(Malformed)?;
        let header = Self { kind, stream, length: u32::from_le_bytes(length) };
        if matches!(kind, Kind::Output | Kind::Closed) {
            header.output()?;
        } else if stream != 0 {
            return Err(Malformed);
        }
        if !kind.is_stream() && header.length as usize != kind.payload_bytes() {
            return Err(Malformed);
        }
        Ok(header)
    }

    fn output(self) -> Result<Output, Malformed> {
        Output::from_number(self.stream)
    }
}

const fn header(kind: Kind, stream: u8, length: u32) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = length.to_le_bytes();
    [kind as u8, stream, 0, 0, a, b, c, d]
}

/// The header of `length` bytes of output.
#[must_use]
pub fn output_header(output: Output, length: u32) -> [u8; HEADER_BYTES] {
    header(Kind::Output, output as u8, length)
}

/// The header of `length` bytes of input.
#[must_use]
pub fn input_header(length: u32) -> [u8; HEADER_BYTES] {
    header(Kind::Input, 0, length)
}

/// A frame, or a part of a frame that carries a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// From the machine: greeting.
    Hello,
    /// From the machine: bytes of one of its outputs.
    Output(Output, &'a [u8]),
    /// From the machine: this many more bytes of input may be sent.
    Want(u32),
    /// From the host: the kinds of the streams.
    Terminals(Terminals),
    /// From the host: bytes of input.
    Input(&'a [u8]),
    /// From the host: end of input.
    InputEnded,
    /// From the host: the rest of the input cannot be read.
    InputFailed,
    /// From the host: the output's reader is gone.
    Closed(Output),
    /// From the host: this many more bytes of the line have been processed, headers included.
    Taken(u32),
}

impl<'a> Message<'a> {
    /// The message of a whole frame, or of a piece of a stream.
    pub(crate) fn new(header: Header, payload: &'a [u8]) -> Result<Self, Malformed> {
        Ok(match header.kind {
            Kind::Hello if payload == GREETING => Self::Hello,
            Kind::Hello => return Err(Malformed),
            Kind::Output => Self::Output(header.output()?, payload),
            Kind::Want => Self::Want(read_count(payload)?),
            Kind::Taken => Self::Taken(read_count(payload)?),
            Kind::Terminals => Self::Terminals(read_terminals(payload)?),
            Kind::Input => Self::Input(payload),
            Kind::InputEnded => Self::InputEnded,
            Kind::InputFailed => Self::InputFailed,
            Kind::Closed => Self::Closed(header.output()?),
        })
    }

    /// The message encoded as a frame; a stream's bytes all in one frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let (kind, stream, payload) = match self {
            Self::Hello => (Kind::Hello, 0, GREETING.to_vec()),
            Self::Output(output, bytes) => (Kind::Output, *output as u8, bytes.to_vec()),
            Self::Want(bytes) => (Kind::Want, 0, bytes.to_le_bytes().to_vec()),
            Self::Taken(bytes) => (Kind::Taken, 0, bytes.to_le_bytes().to_vec()),
            Self::Terminals(terminals) => (Kind::Terminals, 0, write_terminals(terminals)),
            Self::Input(bytes) => (Kind::Input, 0, bytes.to_vec()),
            Self::InputEnded => (Kind::InputEnded, 0, Vec::new()),
            Self::InputFailed => (Kind::InputFailed, 0, Vec::new()),
            Self::Closed(output) => (Kind::Closed, *output as u8, Vec::new()),
        };
        // Messages are shorter than 4 GiB.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        [header(kind, stream, length).as_slice(), &payload].concat()
    }
}

fn read_count(bytes: &[u8]) -> Result<u32, Malformed> {
    bytes.try_into().map(u32::from_le_bytes).map_err(|_| Malformed)
}

fn read_terminals(bytes: &[u8]) -> Result<Terminals, Malformed> {
    let mut streams = bytes.chunks_exact(TERMINAL_BYTES).map(|bytes| match *bytes {
        [is_terminal @ 0..=1, 0, c0, c1, r0, r1] => Ok(Terminal {
            is_terminal: is_terminal == 1,
            columns: u16::from_le_bytes([c0, c1]),
            rows: u16::from_le_bytes([r0, r1]),
        }),
        _ => Err(Malformed),
    });
    let mut next = || streams.next().unwrap_or(Err(Malformed));
    Ok(Terminals { input: next()?, output: next()?, errors: next()? })
}

fn write_terminals(terminals: &Terminals) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(TERMINALS_BYTES);
    for terminal in [terminals.input, terminals.output, terminals.errors] {
        bytes.extend([u8::from(terminal.is_terminal), 0]);
        bytes.extend(terminal.columns.to_le_bytes());
        bytes.extend(terminal.rows.to_le_bytes());
    }
    bytes
}
