//! The guest's console on the first serial port, driven by interrupts.

use crate::arch::serial::{CONSOLE, Input, Interests};

/// Ends the input, as on a terminal (Ctrl-D). A break does too.
const END_OF_INPUT: u8 = 0x04;
/// Makes the next byte literal, as on a terminal (Ctrl-V).
const QUOTE: u8 = 0x16;
/// Bytes read from the device at once.
const TAKEN_BYTES: usize = 64;
/// Size of the buffer for unread input.
const INPUT_BYTES: usize = 8192;

/// The console. A writer whose bytes are not all accepted waits for [`Events::output_space`], a reader that
/// finds nothing for [`Events::input`].
pub struct Console {
    input: [u8; INPUT_BYTES],
    /// Free-running indices: next byte to read, and one past the last.
    read_at: usize,
    written_at: usize,
    /// The last byte received was [`QUOTE`].
    quoted: bool,
    /// Input has ended.
    ended: bool,
    wants_output_space: bool,
}

/// The events reported by a console interrupt.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Events {
    /// There is new input, or input has ended.
    pub input: bool,
    /// The device accepts bytes again.
    pub output_space: bool,
}

impl Console {
    /// The initial state.
    pub(crate) const fn new() -> Self {
        Self {
            input: [0; INPUT_BYTES],
            read_at: 0,
            written_at: 0,
            quoted: false,
            ended: false,
            wants_output_space: false,
        }
    }

    /// Writes as many bytes as the device accepts and returns the number. If not all, an interrupt with
    /// `output_space` follows when it accepts more.
    pub fn try_write(&mut self, bytes: &[u8]) -> usize {
        let taken = CONSOLE.write(bytes);
        let wants = taken < bytes.len();
        if wants != self.wants_output_space {
            self.wants_output_space = wants;
            self.set_interrupts();
        }
        taken
    }

    /// Reads available input. 0 means none now, or, after the end of input, none any more.
    pub fn try_read(&mut self, into: &mut [u8]) -> usize {
        let mut count = 0;
        for place in into {
            if self.read_at == self.written_at {
                break;
            }
            *place = self.input.get(self.read_at % INPUT_BYTES).copied().unwrap_or_default();
            self.read_at = self.read_at.wrapping_add(1);
            count += 1;
        }
        if count > 0 {
            // The device may hold bytes for which there was no room.
            self.take_input();
            self.set_interrupts();
        }
        count
    }

    /// Whether an interrupt will signal when the device accepts bytes again.
    pub(crate) const fn waits_for_space(&self) -> bool {
        self.wants_output_space
    }

    /// Enables the device's interrupts for events that can be handled now.
    pub(crate) fn set_interrupts(&self) {
        let has_room = self.written_at.wrapping_sub(self.read_at) < INPUT_BYTES;
        let interests = Interests { input: has_room && !self.ended, output_space: self.wants_output_space };
        CONSOLE.set_interrupts(interests);
    }

    /// Whether all input has been read and no more will come.
    pub fn end_of_input(&self) -> bool {
        self.ended && self.read_at == self.written_at
    }

    fn take_input(&mut self) {
        // If the device has more, it interrupts again.
        for _ in 0..TAKEN_BYTES {
            if self.ended || self.written_at.wrapping_sub(self.read_at) >= INPUT_BYTES {
                break;
            }
            match CONSOLE.read() {
                Input::Byte(QUOTE) if !self.quoted => self.quoted = true,
                Input::Byte(END_OF_INPUT) if !self.quoted => self.ended = true,
                Input::Byte(byte) => {
                    self.quoted = false;
                    if let Some(place) = self.input.get_mut(self.written_at % INPUT_BYTES) {
                        *place = byte;
                    }
                    self.written_at = self.written_at.wrapping_add(1);
                }
                Input::Break => self.ended = true,
                Input::Nothing => break,
            }
        }
    }

    /// Handles the device's interrupt.
    pub(crate) fn interrupt(&mut self) -> Events {
        let (had, had_ended) = (self.written_at, self.ended);
        self.take_input();
        let output_space = self.wants_output_space && CONSOLE.can_write();
        if output_space {
            self.wants_output_space = false;
        }
        self.set_interrupts();
        Events { input: self.written_at != had || self.ended != had_ended, output_space }
    }
}
