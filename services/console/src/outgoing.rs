//! Bookkeeping of the output ring: which bytes are waiting, submitted to the line, or free.

use std::ops::Range;

/// Offsets in a ring of bytes. All counters only grow; `done <= begun <= filled <= done + capacity`.
#[derive(Debug)]
pub(crate) struct Outgoing {
    capacity: usize,
    /// Bytes stored so far.
    filled: u64,
    /// Bytes submitted to the line so far.
    begun: u64,
    /// Bytes that the line has passed on so far.
    done: u64,
}

impl Outgoing {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self { capacity, filled: 0, begun: 0, done: 0 }
    }

    /// Free bytes.
    pub(crate) fn room(&self) -> usize {
        // The difference is at most the capacity.
        self.capacity - (self.filled - self.done) as usize
    }

    /// Reserves the next `length` bytes of the ring, and returns their position: one range, or two if they wrap around.
    /// `length` is at most [`Self::room`].
    pub(crate) fn fill(&mut self, length: usize) -> [Range<usize>; 2] {
        debug_assert!(length <= self.room(), "the ring is full");
        let start = self.place(self.filled);
        let first = length.min(self.capacity - start);
        self.filled += length as u64;
        [start..start + first, 0..length - first]
    }

    /// The bytes to submit to the line next: contiguous, and at most `most`.
    pub(crate) fn next_piece(&self, most: usize) -> Option<Range<usize>> {
        let start = self.place(self.begun);
        let length = ((self.filled - self.begun) as usize).min(self.capacity - start).min(most);
        (length > 0).then(|| start..start + length)
    }

    /// Records that `length` more bytes were submitted to the line.
    pub(crate) fn begin(&mut self, length: usize) {
        self.begun += length as u64;
        debug_assert!(self.begun <= self.filled, "submitted more than was stored");
    }

    /// Records that the line has passed on `length` more bytes; `None` if it did not have that many.
    pub(crate) fn finish(&mut self, length: usize) -> Option<()> {
        let done = self.done.checked_add(length as u64).filter(|done| *done <= self.begun)?;
        self.done = done;
        Some(())
    }

    /// Bytes that wait for the line.
    pub(crate) fn waiting(&self) -> usize {
        (self.filled - self.begun) as usize
    }

    /// Bytes submitted to the line since the start.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// The position after all bytes stored so far.
    pub(crate) fn mark(&self) -> u64 {
        self.filled
    }

    /// Whether the line has passed on everything before `mark`.
    pub(crate) fn is_past(&self, mark: u64) -> bool {
        self.done >= mark
    }

    fn place(&self, position: u64) -> usize {
        (position % self.capacity as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn bytes_come_out_in_order_and_never_over_others() {
        let mut random = fastrand::Rng::with_seed(3);
        let (mut outgoing, mut ring) = (Outgoing::new(97), [0u8; 97]);
        let (mut put, mut sent) = (Vec::new(), Vec::new());
        let mut with_line: VecDeque<Range<usize>> = VecDeque::new();
        for _ in 0..20_000 {
            match random.u8(..3) {
                0 => {
                    let length = random.usize(..40);
                    if length > outgoing.room() {
                        continue;
                    }
                    for place in outgoing.fill(length).into_iter().flatten() {
                        let byte = random.u8(..);
                        ring[place] = byte;
                        put.push(byte);
                    }
                }
                1 => {
                    let Some(piece) = outgoing.next_piece(random.usize(1..30)) else { continue };
                    outgoing.begin(piece.len());
                    with_line.push_back(piece);
                }
                _ => {
                    let Some(piece) = with_line.pop_front() else { continue };
                    // A late read by the line still sees the stored data.
                    sent.extend_from_slice(&ring[piece.clone()]);
                    outgoing.finish(piece.len()).unwrap();
                }
            }
            assert!(put.starts_with(&sent));
        }
        assert!(sent.len() > 10_000, "{}", sent.len());
    }

    #[test]
    fn a_line_cannot_pass_on_more_than_it_has() {
        let mut outgoing = Outgoing::new(16);
        outgoing.fill(10);
        outgoing.begin(4);
        assert_eq!(outgoing.finish(5), None);
        assert_eq!(outgoing.finish(4), Some(()));
        assert_eq!(outgoing.finish(usize::MAX), None);
        assert!(outgoing.waiting() == 6 && outgoing.begun() == 4 && !outgoing.is_past(outgoing.mark()));
    }
}
