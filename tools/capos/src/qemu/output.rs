//! The guest's output on its way to ours.

use std::io::{self, Read, Write};

/// The line that the boot loader of a disc image writes last. What came before it is the firmware's
/// and the boot loader's.
pub const ISO_MARKER: &str = "capos: starting the kernel";

/// Copies until `from` ends. With `after`, nothing before and including the line that ends in `after` is copied.
pub(super) fn copy(from: &mut dyn Read, to: &mut dyn Write, after: Option<&str>) -> io::Result<()> {
    let mut skipping = after.map(Skip::new);
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut bytes = buffer.get(..count).unwrap_or_default();
        if let Some(skip) = &mut skipping {
            bytes = skip.rest(bytes);
        }
        to.write_all(bytes)?;
        to.flush()?;
    }
}

/// Finds a marker and the line feed after it in bytes that come piece by piece.
struct Skip {
    wanted: Vec<u8>,
    /// The last bytes seen, at most as many as are wanted.
    seen: Vec<u8>,
    state: State,
}

enum State {
    Before,
    Line,
    After,
}

impl Skip {
    fn new(marker: &str) -> Self {
        Self { wanted: marker.as_bytes().to_vec(), seen: Vec::new(), state: State::Before }
    }

    /// What of `bytes` comes after the marker's line.
    fn rest<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (index, &byte) in bytes.iter().enumerate() {
            match self.state {
                State::After => return bytes.get(index..).unwrap_or_default(),
                State::Line if byte == b'\n' => self.state = State::After,
                State::Line => {}
                State::Before => {
                    if self.seen.len() == self.wanted.len() {
                        self.seen.remove(0);
                    }
                    self.seen.push(byte);
                    if self.seen == self.wanted {
                        self.state = State::Line;
                    }
                }
            }
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Yields its bytes one at a time.
    struct Drip<'a>(&'a [u8]);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (Some((&byte, rest)), Some(place)) = (self.0.split_first(), buffer.first_mut()) else {
                return Ok(0);
            };
            *place = byte;
            self.0 = rest;
            Ok(1)
        }
    }

    #[test]
    fn what_the_boot_loader_wrote_is_left_out() {
        let text = b"\x1b[2JLoading\r\ngogogo\r\nHello\ngo\n";
        for source in [&mut text.as_slice() as &mut dyn Read, &mut Drip(text)] {
            let mut copied = Vec::new();
            copy(source, &mut copied, Some("gogo")).unwrap();
            assert_eq!(copied, b"Hello\ngo\n");
        }
    }

    #[test]
    fn without_a_marker_all_of_it_passes() {
        let mut copied = Vec::new();
        copy(&mut b"\0\xff\n".as_slice(), &mut copied, None).unwrap();
        assert_eq!(copied, b"\0\xff\n");
    }
}
