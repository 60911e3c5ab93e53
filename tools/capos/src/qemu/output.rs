//! Copies the guest's output to ours.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// The last text written by the boot loader of a disc image. Everything up to it comes from the firmware and the
/// boot loader.
pub const ISO_MARKER: &str = "capos: starting the kernel.";

/// Copies until `from` ends.
pub(super) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        to.write_all(buffer.get(..count).unwrap_or_default())?;
        to.flush()?;
    }
}

/// Passes on the bytes after the first occurrence of a marker.
pub(super) struct After<R> {
    from: R,
    /// Removed once the marker has been seen.
    skip: Option<Skip>,
}

impl<R> After<R> {
    /// Without a marker, passes on everything.
    pub(super) fn new(from: R, marker: Option<&str>) -> Self {
        Self { from, skip: marker.map(Skip::new) }
    }
}

impl<R: Read> Read for After<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.from.read(buffer)?;
            let Some(skip) = &mut self.skip else { return Ok(count) };
            let left = skip.rest(buffer.get(..count).unwrap_or_default()).len();
            if left > 0 {
                self.skip = None;
                buffer.copy_within(count - left..count, 0);
            }
            if left > 0 || count == 0 {
                return Ok(left);
            }
        }
    }
}

/// Finds a marker in bytes that arrive in pieces.
struct Skip {
    wanted: Vec<u8>,
    /// The last bytes seen, at most as many as the marker has.
    seen: VecDeque<u8>,
}

impl Skip {
    fn new(marker: &str) -> Self {
        Self { wanted: marker.as_bytes().to_vec(), seen: VecDeque::new() }
    }

    /// The part of `bytes` that comes after the marker.
    fn rest<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        for (index, &byte) in bytes.iter().enumerate() {
            if self.seen == self.wanted {
                return bytes.get(index..).unwrap_or_default();
            }
            if self.seen.len() == self.wanted.len() {
                self.seen.pop_front();
            }
            self.seen.push_back(byte);
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
        let text = b"\x1b[2JLoading\r\ngoing\r\ngoHello\ngoing\n";
        for source in [&mut text.as_slice() as &mut dyn Read, &mut Drip(text)] {
            let mut copied = Vec::new();
            copy(&mut After::new(source, Some("\ngo")), &mut copied).unwrap();
            assert_eq!(copied, b"ing\r\ngoHello\ngoing\n");
        }
    }

    #[test]
    fn where_the_marker_never_comes_nothing_does() {
        let mut copied = Vec::new();
        copy(&mut After::new(b"abc".as_slice(), Some("d")), &mut copied).unwrap();
        assert!(copied.is_empty());
    }

    #[test]
    fn without_a_marker_all_of_it_passes() {
        let mut copied = Vec::new();
        copy(&mut After::new(b"\0\xff\n".as_slice(), None), &mut copied).unwrap();
        assert_eq!(copied, b"\0\xff\n");
    }
}
