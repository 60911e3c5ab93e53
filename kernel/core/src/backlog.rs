//! Log lines for a device that may be slow. Lines that do not fit are dropped, and a note says how many, so that no
//! caller waits for the device.

use core::fmt::{self, Write};

#[cfg(test)]
mod tests;

/// Space for the note about dropped lines.
const NOTE_BYTES: usize = 64;

/// The bytes that the device has not accepted yet, in a ring buffer of `N` bytes, a power of two.
pub struct Backlog<const N: usize> {
    bytes: [u8; N],
    /// Free-running positions: the next byte to output, and one past the last.
    given: usize,
    added: usize,
    /// Lines dropped since the last one added.
    lost: u32,
}

impl<const N: usize> Default for Backlog<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes to a backlog and notes whether something did not fit.
struct Filler<'a, const N: usize> {
    backlog: &'a mut Backlog<N>,
    room: usize,
}

impl<const N: usize> Write for Filler<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.room = self.room.checked_sub(text.len()).ok_or(fmt::Error)?;
        self.backlog.add(text.as_bytes());
        Ok(())
    }
}

impl<const N: usize> Backlog<N> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N.is_power_of_two() && N > 4 * NOTE_BYTES, "positions are computed by masking") };
        Self { bytes: [0; N], given: 0, added: 0, lost: 0 }
    }

    /// Whether the device has accepted everything.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.given == self.added
    }

    /// Number of free bytes.
    #[must_use]
    pub const fn room(&self) -> usize {
        N - self.added.wrapping_sub(self.given)
    }

    /// Adds bytes, for which there must be space.
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if let Some(place) = self.bytes.get_mut(self.added % N) {
                *place = byte;
            }
            self.added = self.added.wrapping_add(1);
        }
    }

    /// Adds a complete line, or drops it. `line` includes the line feed. Returns whether it was added.
    pub fn add_line(&mut self, line: fmt::Arguments<'_>) -> bool {
        let before = self.added;
        let room = self.room().saturating_sub(NOTE_BYTES);
        let lost = core::mem::take(&mut self.lost);
        let mut filler = Filler { backlog: self, room };
        let noted = if lost > 0 { writeln!(filler, "({lost} lines are missing)") } else { Ok(()) };
        let is_added = noted.and_then(|()| filler.write_fmt(line)).is_ok();
        if !is_added {
            self.added = before;
            self.lost = lost.saturating_add(1);
        }
        is_added
    }

    /// How many bytes [`Self::add_some`] would add.
    #[must_use]
    pub const fn spare(&self) -> usize {
        self.room().saturating_sub(N / 2)
    }

    /// Adds as many bytes as fit while half of the ring stays reserved for lines, and returns how many.
    pub fn add_some(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.spare());
        self.add(bytes.get(..count).unwrap_or_default());
        count
    }

    /// The next bytes to output, at most `most`; empty if there are none.
    #[must_use]
    pub fn front(&self, most: usize) -> &[u8] {
        let start = self.given % N;
        let count = self.added.wrapping_sub(self.given).min(N - start).min(most);
        self.bytes.get(start..start + count).unwrap_or_default()
    }

    /// Notes that the device has accepted this many bytes.
    pub fn give(&mut self, count: usize) {
        self.given = self.given.wrapping_add(count.min(self.added.wrapping_sub(self.given)));
    }
}
