//! The guest's input: encodes our input for its serial line.
//!
//! A serial line has no end. Like a terminal, the guest's console takes the byte 4 (Ctrl-D) as the end of
//! input, and the byte after a 22 (Ctrl-V) literally. So all input passes unchanged and in order.

use std::io::{self, Read, Write};

/// The byte that ends the input.
pub const END_OF_INPUT: u8 = 0x04;
/// The byte that makes the next one literal.
pub const QUOTE: u8 = 0x16;

/// Quotes everything written to it, so that the guest's console takes it literally.
pub(super) struct Quoting<W>(pub(super) W);

impl<W: Write> Write for Quoting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_all(&quoted(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The line for the user about input that cannot be read.
pub(super) fn unreadable(error: &io::Error) -> String {
    format!("standard input: {error}")
}

/// Sends all of `from` to the guest, then the end of input. An error of `from` is passed to `unreadable`; the line can
/// transmit it only as the end of input.
///
/// # Errors
/// Those of `to`.
pub(super) fn forward(
    from: &mut dyn Read,
    to: &mut dyn Write,
    unreadable: impl FnOnce(&io::Error),
) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                unreadable(&error);
                break;
            }
        };
        to.write_all(&quoted(buffer.get(..count).unwrap_or_default()))?;
        to.flush()?;
    }
    to.write_all(&[END_OF_INPUT])?;
    to.flush()
}

fn quoted(bytes: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        if matches!(byte, END_OF_INPUT | QUOTE) {
            quoted.push(QUOTE);
        }
        quoted.push(byte);
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_passes_and_the_end_is_marked() {
        let mut sent = Vec::new();
        let unreadable = |error: &io::Error| panic!("{error}");
        forward(&mut b"a\x04b\x16\x00\xff\n".as_slice(), &mut sent, unreadable).unwrap();
        assert_eq!(sent, b"a\x16\x04b\x16\x16\x00\xff\n\x04");
    }

    #[test]
    fn input_that_cannot_be_read_ends_and_is_reported() {
        struct Unreadable;
        impl Read for Unreadable {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::IsADirectory.into())
            }
        }
        let (mut sent, mut reported) = (Vec::new(), None);
        let mut from = b"one".as_slice().chain(Unreadable);
        forward(&mut from, &mut sent, |error| reported = Some(error.kind())).unwrap();
        assert_eq!((sent.as_slice(), reported), (&b"one\x04"[..], Some(io::ErrorKind::IsADirectory)));
    }
}
