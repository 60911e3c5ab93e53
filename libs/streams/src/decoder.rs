//! Decodes frames from bytes that arrive in pieces of any size.

use crate::message::{HEADER_BYTES, Header, LONGEST_FIXED, Malformed, Message};

/// Decodes frames. It stores at most a header and a payload of fixed size; the bytes of streams pass through.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a header or of a payload of fixed size.
    partial: Vec<u8>,
    /// The frame whose payload is next.
    header: Option<Header>,
    /// Remaining bytes of a stream's frame.
    left: u32,
}

impl Decoder {
    /// A decoder at the start of a line.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next message, decoded from the beginning of `bytes`, which is advanced; `None` once `bytes` is used up. A
    /// stream's frame may be returned as several messages.
    ///
    /// # Errors
    /// For bytes that are not a frame. The line cannot be decoded any further after that.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Option<Message<'a>>, Malformed> {
        loop {
            match self.header {
                None => {
                    let Some(header) = take(&mut self.partial, bytes, HEADER_BYTES) else { return Ok(None) };
                    let header = Header::read(header.try_into().map_err(|_| Malformed)?)?;
                    self.partial.clear();
                    self.left = header.length;
                    // Skip empty pieces of a stream.
                    self.header = (!header.kind.is_stream() || header.length > 0).then_some(header);
                }
                Some(header) if header.kind.is_stream() => {
                    if bytes.is_empty() {
                        return Ok(None);
                    }
                    let length = bytes.len().min(self.left as usize);
                    let (piece, rest) = bytes.split_at(length);
                    *bytes = rest;
                    // At most `left`.
                    self.left -= length as u32;
                    if self.left == 0 {
                        self.header = None;
                    }
                    return Message::new(header, piece).map(Some);
                }
                Some(header) => {
                    let length = (header.length as usize).min(LONGEST_FIXED);
                    if take(&mut self.partial, bytes, length).is_none() {
                        return Ok(None);
                    }
                    self.header = None;
                    // The payload is in `partial` until the next header begins there.
                    let message = Message::new(header, &self.partial).map(fixed);
                    self.partial.clear();
                    return message.map(Some);
                }
            }
        }
    }
}

/// A message of fixed size, which borrows no bytes.
fn fixed<'a>(message: Message<'_>) -> Message<'a> {
    match message {
        Message::Hello => Message::Hello,
        Message::Want(bytes) => Message::Want(bytes),
        Message::Terminals(terminals) => Message::Terminals(terminals),
        Message::InputEnded => Message::InputEnded,
        Message::InputFailed => Message::InputFailed,
        Message::Closed(output) => Message::Closed(output),
        Message::Taken(bytes) => Message::Taken(bytes),
        Message::Output(output, _) => Message::Output(output, &[]),
        Message::Input(_) => Message::Input(&[]),
    }
}

/// Moves bytes to `partial` until it holds `wanted`, then returns them.
fn take<'p>(partial: &'p mut Vec<u8>, bytes: &mut &[u8], wanted: usize) -> Option<&'p [u8]> {
    let missing = wanted.saturating_sub(partial.len()).min(bytes.len());
    let (taken, rest) = bytes.split_at(missing);
    partial.extend_from_slice(taken);
    *bytes = rest;
    (partial.len() == wanted).then_some(partial.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HELLO, Output, Terminal, Terminals};

    fn all() -> Vec<Message<'static>> {
        let terminal = Terminal { is_terminal: true, columns: 132, rows: 43 };
        let terminals = Terminals { input: terminal, output: Terminal::default(), errors: terminal };
        vec![
            Message::Hello,
            Message::Output(Output::Standard, b"one\0\xff"),
            Message::Output(Output::Errors, b"two"),
            Message::Want(70_000),
            Message::Terminals(terminals),
            Message::Input(b"\x04\x16"),
            Message::InputEnded,
            Message::InputFailed,
            Message::Closed(Output::Errors),
            Message::Taken(65_560),
        ]
    }

    /// Owned messages, with the pieces of streams joined.
    fn decode(pieces: &[&[u8]]) -> Result<Vec<(Vec<u8>, String)>, Malformed> {
        let mut decoder = Decoder::new();
        let mut found: Vec<(Vec<u8>, String)> = Vec::new();
        for mut piece in pieces.iter().copied() {
            while let Some(message) = decoder.next(&mut piece)? {
                let (bytes, name) = match message {
                    Message::Output(output, bytes) => (bytes.to_vec(), format!("{output:?}")),
                    Message::Input(bytes) => (bytes.to_vec(), "input".to_owned()),
                    other => (Vec::new(), format!("{other:?}")),
                };
                match found.last_mut() {
                    Some((known, last)) if *last == name && !bytes.is_empty() => known.extend(bytes),
                    _ => found.push((bytes, name)),
                }
            }
        }
        Ok(found)
    }

    #[test]
    fn frames_pass_however_they_are_cut() {
        let bytes: Vec<u8> = all().iter().flat_map(Message::frame).collect();
        let whole = decode(&[&bytes]).unwrap();
        assert_eq!(whole.len(), all().len());
        assert_eq!(whole[1], (b"one\0\xff".to_vec(), "Standard".to_owned()));
        assert_eq!(whole[5], (b"\x04\x16".to_vec(), "input".to_owned()));
        for size in 1..bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(decode(&pieces), Ok(whole.clone()), "pieces of {size}");
        }
    }

    #[test]
    fn the_greeting_is_the_first_frame() {
        assert_eq!(Message::Hello.frame(), HELLO);
    }

    #[test]
    fn empty_pieces_say_nothing() {
        let empty = Message::Output(Output::Standard, b"").frame();
        let bytes = [empty, Message::InputEnded.frame()].concat();
        assert_eq!(decode(&[&bytes]), Ok(vec![(Vec::new(), "InputEnded".to_owned())]));
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            *b"\0\0\0\0\0\0\0\0",           // kind 0
            *b"\x0a\0\0\0\0\0\0\0",         // unknown kind
            *b"\x02\0\0\0\x01\0\0\0",       // output of stream 0
            *b"\x02\x03\0\0\x01\0\0\0",     // output of an unknown stream
            *b"\x05\x01\0\0\x01\0\0\0",     // input on an output stream
            *b"\x06\0\x01\0\0\0\0\0",       // reserved bytes not zero
            *b"\x06\0\0\0\x01\0\0\0",       // an end with a payload
            *b"\x04\0\0\0\xff\xff\xff\xff", // excessive length
            *b"\x03\0\0\0\x03\0\0\0",       // a number of three bytes
        ] {
            assert_eq!(decode(&[&bytes]), Err(Malformed), "{bytes:?}");
        }
        let mut greeting = HELLO;
        greeting[22] = b'2';
        assert_eq!(decode(&[&greeting]), Err(Malformed));
        let mut terminals = Message::Terminals(Terminals::default()).frame();
        terminals[8] = 2;
        assert_eq!(decode(&[&terminals]), Err(Malformed));
    }

    #[test]
    fn any_bytes_are_read_with_bounded_memory() {
        // A simple generator is enough: every state of the decoder is a few bytes away.
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u8
        };
        for _ in 0..20_000 {
            let mut decoder = Decoder::new();
            let bytes: Vec<u8> = (0..64)
                .map(|index| match index % 8 {
                    0 => next() % 11,
                    1 => next() % 3,
                    4 => next() % 20,
                    2 | 3 | 5..=7 => 0,
                    _ => next(),
                })
                .collect();
            let mut rest = bytes.as_slice();
            while let Ok(Some(_)) = decoder.next(&mut rest) {}
            assert!(decoder.partial.len() <= LONGEST_FIXED);
        }
    }
}
