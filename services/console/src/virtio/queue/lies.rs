//! Hostile devices: whatever the rings contain, output completes at most once and input never exceeds its buffer.

use super::*;
use capos_virtio::testing::{Model, lend_memory};
use fastrand::Rng;
use virtio_drivers::transport::DeviceType;

const PHYSICAL: u64 = 0x1000_0000;
const PAGE: usize = virtio_drivers::PAGE_SIZE;
/// Two for the rings of each queue.
const PAGES_OF_A_PORT: usize = 4;
const ROUNDS: usize = 3000;

struct Game<'a> {
    random: &'a mut Rng,
    device: Model,
    first_page: usize,
    sender: Sender,
    receiver: Receiver,
    /// Completions that the device has published, by queue.
    said: [u16; 2],
    /// Bytes of output submitted and not taken back.
    outstanding: usize,
    /// Buffers that the driver has.
    held: Vec<usize>,
    passed: usize,
}

impl Game<'_> {
    fn finish(&mut self, queue: u16, id: u32, length: u32) {
        let said = &mut self.said[usize::from(queue)];
        self.device.finish(queue, ENTRIES as u16, *said, id, length);
        *said = said.wrapping_add(1);
    }

    fn garble(&mut self) {
        for _ in 0..self.random.usize(..16) {
            let offset = self.first_page * PAGE + self.random.usize(..PAGES_OF_A_PORT * PAGE);
            self.device.put(offset as u64, self.random.u8(..));
        }
    }

    fn step(&mut self) -> Result<(), Broken> {
        match self.random.u8(..24) {
            0..4 => {
                let length = self.random.usize(1..1000);
                let start = self.random.usize(..OUTGOING_BYTES - length);
                if self.sender.send(&mut self.device, start..start + length)? {
                    self.outstanding += length;
                }
            }
            4..8 => {
                let first = self.sender.ring.lent().find(|(_, number)| **number == self.sender.taken);
                let Some((token, _)) = first else { return Ok(()) };
                let token = u32::from(token);
                if self.said[1] == self.sender_popped() {
                    self.finish(TRANSMIT, token, 0);
                }
            }
            8..12 => {
                let tokens: Vec<u16> = self.receiver.ring.lent().map(|(token, _)| token).collect();
                let Some(token) = self.random.choice(tokens) else { return Ok(()) };
                let length = self.random.u32(1..=BUFFER_BYTES as u32);
                self.finish(RECEIVE, token.into(), length);
            }
            12 if self.random.u8(..16) == 0 => {
                let (queue, id) = (self.random.u16(..2), self.random.u32(..80));
                let length = self.random.u32(..);
                self.finish(queue, id, length);
            }
            13 if self.random.u8(..16) == 0 => {
                let queue = self.random.u16(..2);
                self.device.put(self.device.rings(queue).used + 2, self.random.u16(..));
            }
            14 if self.random.u8(..16) == 0 => self.garble(),
            15..18 => {
                let taken = self.sender.take_sent()?;
                assert!(taken <= self.outstanding, "output was done that was not given");
                self.outstanding -= taken;
                self.passed += usize::from(taken > 0);
            }
            18..21 => {
                if let Some(filled) = self.receiver.next_filled()? {
                    assert!((1..=BUFFER_BYTES).contains(&filled.length));
                    assert_eq!(filled.offset, offset(filled.buffer));
                    assert!(!self.held.contains(&filled.buffer), "a buffer that the device does not have");
                    self.held.push(filled.buffer);
                    self.passed += 1;
                }
            }
            _ => {
                if let Some(buffer) = self.held.pop() {
                    self.receiver.lend(&mut self.device, buffer)?;
                }
            }
        }
        Ok(())
    }

    /// The number of entries of the output queue that the driver has popped, as far as the device can know.
    fn sender_popped(&self) -> u16 {
        let given: u16 = self.device.get(self.device.rings(TRANSMIT).available + 2);
        given.wrapping_sub(self.sender.under_way.len() as u16)
    }
}

/// How much was transferred, and whether the driver detected a violation.
fn play(random: &mut Rng, control: Mapping, first_page: usize, transfer: Mapping) -> (usize, bool) {
    let mut device = Model::new(DeviceType::Console, control);
    let mut receiver = Receiver::new(&mut device, transfer).unwrap();
    let sender = Sender::new(&mut device, transfer).unwrap();
    receiver.lend_all(&mut device).unwrap();
    let mut game = Game {
        random,
        device,
        first_page,
        sender,
        receiver,
        said: [0; 2],
        outstanding: 0,
        held: Vec::new(),
        passed: 0,
    };
    for _ in 0..200 {
        if game.step().is_err() {
            return (game.passed, true);
        }
    }
    (game.passed, false)
}

#[test]
fn lies_do_no_harm() {
    let control = Mapping::of_host(PHYSICAL, ROUNDS * PAGES_OF_A_PORT * PAGE);
    let transfer = Mapping::of_host(PHYSICAL << 1, OUTGOING_BYTES + BUFFERS * BUFFER_BYTES);
    // The memory is private to this test.
    lend_memory(control, transfer);
    let mut random = Rng::with_seed(1);
    let (mut passed, mut caught) = (0, 0);
    for round in 0..ROUNDS {
        let (more, is_caught) = play(&mut random, control, round * PAGES_OF_A_PORT, transfer);
        passed += more;
        caught += usize::from(is_caught);
    }
    assert!(passed > 10 * ROUNDS, "{passed}");
    assert!(caught > ROUNDS / 10 && caught < ROUNDS, "{caught}");
}
