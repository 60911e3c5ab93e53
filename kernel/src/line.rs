//! A line of text without heap memory.

use core::fmt::{self, Write};

const MAX_BYTES: usize = 120;

/// A line, truncated if too long.
#[derive(Clone, Copy)]
pub(crate) struct Line {
    text: [u8; MAX_BYTES],
    length: usize,
}

impl Line {
    pub(crate) const EMPTY: Self = Self { text: [0; MAX_BYTES], length: 0 };

    pub(crate) fn as_str(&self) -> &str {
        self.text.get(..self.length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default()
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let text = text.get(..text.floor_char_boundary(MAX_BYTES - self.length)).unwrap_or_default();
        let end = self.length + text.len();
        if let Some(place) = self.text.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        Ok(())
    }
}
