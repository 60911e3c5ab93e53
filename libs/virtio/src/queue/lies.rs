//! Devices that lie: whatever the rings contain, a buffer is returned at most once, only if it was lent, and within its length.

use super::*;
use crate::testing::{Model, lend_memory};
use fastrand::Rng;
use virtio_drivers::transport::DeviceType;

const PHYSICAL: u64 = 0x1000_0000;
const PAGE: usize = virtio_drivers::PAGE_SIZE;
const PAGES_OF_A_QUEUE: usize = 2;
const ROUNDS: usize = 3000;
const ENTRIES: usize = 64;
const NUMBER: u16 = 3;
/// The distance between buffers, each of at most four parts of at most this size.
const STRIDE: usize = 1024;
const MOST_PART: usize = 200;
const BUFFERS: usize = ENTRIES;

struct Game<'a> {
    random: &'a mut Rng,
    device: Model,
    queue: Queue<usize, ENTRIES>,
    transfer: Mapping,
    /// The number of bytes that the device can write into each lent buffer.
    lent: [Option<usize>; BUFFERS],
    said: u16,
    taken: usize,
}

impl Game<'_> {
    /// A buffer of one to four parts, and how much of it the device can write.
    fn chain(&mut self, buffer: usize) -> (Chain, usize) {
        let mut parts = Vec::new();
        for index in 0..4 {
            let length = self.random.usize(1..=MOST_PART);
            parts.push(Part::of(&self.transfer, buffer * STRIDE + index * MOST_PART, length).unwrap());
        }
        let (read, written) = (self.random.usize(..3), self.random.usize(..3));
        let written = if read + written == 0 { 1 } else { written };
        let (readable, writable) = (&parts[..read], &parts[2..2 + written]);
        (Chain::new(readable, writable).unwrap(), writable.iter().map(Part::len).sum())
    }

    fn finish(&mut self, id: u32, length: u32) {
        self.device.finish(NUMBER, ENTRIES as u16, self.said, id, length);
        self.said = self.said.wrapping_add(1);
    }

    fn step(&mut self, first_page: usize) -> Result<(), Broken> {
        match self.random.u8(..20) {
            0..8 => {
                let Some(buffer) = self.lent.iter().position(Option::is_none) else { return Ok(()) };
                if self.queue.room() < 4 {
                    return Ok(());
                }
                let (chain, room) = self.chain(buffer);
                self.queue.lend(chain, buffer)?;
                self.queue.notify(&mut self.device);
                self.lent[buffer] = Some(room);
            }
            8..13 => {
                let lent: Vec<_> = self.queue.lent().map(|(token, buffer)| (token, *buffer)).collect();
                let Some((token, buffer)) = self.random.choice(lent) else { return Ok(()) };
                let room = self.lent[buffer].unwrap();
                let length = self.random.usize(..=room) as u32;
                self.finish(token.into(), length);
            }
            13 if self.random.u8(..8) == 0 => {
                let (id, length) = (self.random.u32(..80), self.random.u32(..));
                self.finish(id, length);
            }
            14 if self.random.u8(..8) == 0 => {
                self.device.put(self.device.rings(NUMBER).used + 2, self.random.u16(..));
            }
            15 if self.random.u8(..8) == 0 => {
                for _ in 0..self.random.usize(..16) {
                    let offset = first_page * PAGE + self.random.usize(..PAGES_OF_A_QUEUE * PAGE);
                    self.device.put(offset as u64, self.random.u8(..));
                }
            }
            16 => _ = self.queue.set_notice(self.random.bool()),
            _ => {
                if let Some((buffer, length)) = self.queue.take()? {
                    let room =
                        self.lent[buffer].take().expect("a buffer that the device does not have came back");
                    assert!(length <= room, "more than the buffer holds");
                    self.taken += 1;
                }
            }
        }
        assert!(self.queue.room() <= ENTRIES);
        Ok(())
    }
}

/// The number of returned buffers, and whether the driver noticed a violation.
fn play(random: &mut Rng, control: Mapping, first_page: usize, transfer: Mapping) -> (usize, bool) {
    let mut device = Model::new(DeviceType::Block, control);
    let queue = Queue::new(&mut device, NUMBER).unwrap();
    let mut game = Game { random, device, queue, transfer, lent: [None; BUFFERS], said: 0, taken: 0 };
    for _ in 0..200 {
        if game.step(first_page).is_err() {
            return (game.taken, true);
        }
    }
    (game.taken, false)
}

#[test]
fn lies_do_no_harm() {
    let control = Mapping::of_host(PHYSICAL, ROUNDS * PAGES_OF_A_QUEUE * PAGE);
    let transfer = Mapping::of_host(PHYSICAL << 1, STRIDE * BUFFERS);
    // Memory of this process belongs to this test alone.
    lend_memory(control, transfer);
    let mut random = Rng::with_seed(1);
    let (mut taken, mut caught) = (0, 0);
    for round in 0..ROUNDS {
        let (more, is_caught) = play(&mut random, control, round * PAGES_OF_A_QUEUE, transfer);
        taken += more;
        caught += usize::from(is_caught);
    }
    assert!(taken > 5 * ROUNDS, "{taken}");
    assert!(caught > ROUNDS / 10 && caught < ROUNDS, "{caught}");

    buffers_lie_in_their_memory_and_apart(transfer);
}

fn buffers_lie_in_their_memory_and_apart(memory: Mapping) {
    let part = |offset, length| Part::of(&memory, offset, length);
    assert!(part(0, 0).is_none() && part(memory.length(), 1).is_none() && part(usize::MAX, 2).is_none());
    let (a, b, over) = (part(0, 100).unwrap(), part(100, 100).unwrap(), part(50, 100).unwrap());
    assert!(Chain::new(&[], &[]).is_none());
    assert!(Chain::new(&[a], &[b]).is_some() && Chain::new(&[a, over], &[]).is_some());
    for (readable, writable) in
        [(&[a][..], &[over][..]), (&[], &[a, over]), (&[b, over], &[a]), (&[a, b, over], &[])]
    {
        assert!(Chain::new(readable, writable).is_none());
    }
}
