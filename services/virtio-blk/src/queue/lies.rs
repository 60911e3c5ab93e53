//! Hostile devices: whatever the rings contain, a request completes at most once and only if it was
//! submitted.

use super::*;
use capos_virtio::testing::{Model, lend_memory};
use fastrand::Rng;
use virtio_drivers::transport::DeviceType;

const PHYSICAL: u64 = 0x1000_0000;
const PAGE: usize = virtio_drivers::PAGE_SIZE;
/// Two for the rings, one for the headers.
const PAGES_OF_A_QUEUE: usize = 3;
const ROUNDS: usize = 3000;

/// Writes random bytes into the rings and headers.
fn garble(model: &Model, random: &mut Rng, first_page: usize) {
    for _ in 0..random.usize(..16) {
        let offset = first_page * PAGE + random.usize(..PAGES_OF_A_QUEUE * PAGE);
        model.put(offset as u64, random.u8(..));
    }
}

/// The number of completed requests, and whether the driver detected a violation.
fn play(random: &mut Rng, control: Mapping, first_page: usize, transfer: Mapping) -> (usize, bool) {
    let mut liar = Model::new(DeviceType::Block, control);
    let mut queue = Queue::new(&mut liar, transfer).unwrap();
    let mut begun = [false; SLOTS];
    let (mut ended, mut said) = (0, 0);
    for _ in 0..200 {
        match random.u8(..20) {
            0..8 => {
                let Some(slot) = begun.iter().position(|begun| !begun) else { continue };
                let place = Transfer { unit: 0, offset: 512 * slot, length: 512 };
                let kinds = [Kind::Read(place), Kind::Write(place), Kind::Flush, Kind::Serial];
                queue.begin(&mut liar, slot, kinds[random.usize(..kinds.len())]).unwrap();
                begun[slot] = true;
            }
            8..13 => {
                let true_ones = queue.ring.lent().map(|(token, _)| u32::from(token));
                let Some(token) = random.choice(true_ones.collect::<Vec<_>>()) else { continue };
                liar.finish(QUEUE, ENTRIES as u16, said, token, 0);
                said = said.wrapping_add(1);
            }
            13 if random.u8(..8) == 0 => liar.finish(QUEUE, ENTRIES as u16, said, random.u32(..80), 0),
            14 if random.u8(..8) == 0 => liar.put(liar.rings(QUEUE).used + 2, random.u16(..)),
            15 if random.u8(..8) == 0 => garble(&liar, random, first_page),
            _ => match queue.next_finished() {
                Ok(None) => {}
                Ok(Some((slot, _))) => {
                    assert!(std::mem::take(&mut begun[slot]), "a request that was not begun has ended");
                    let _ = queue.serial(slot);
                    ended += 1;
                }
                Err(Broken(_)) => return (ended, true),
            },
        }
        assert!(queue.ring.room() <= ENTRIES);
    }
    (ended, false)
}

#[test]
fn lies_do_no_harm() {
    let control = Mapping::of_host(PHYSICAL, ROUNDS * PAGES_OF_A_QUEUE * PAGE);
    let transfer = Mapping::of_host(PHYSICAL << 1, 512 * SLOTS);
    // The memory is private to this test.
    lend_memory(control, transfer);
    let mut random = Rng::with_seed(1);
    let (mut ended, mut caught) = (0, 0);
    for round in 0..ROUNDS {
        let (more, is_caught) = play(&mut random, control, round * PAGES_OF_A_QUEUE, transfer);
        ended += more;
        caught += usize::from(is_caught);
    }
    assert!(ended > 10 * ROUNDS, "{ended}");
    assert!(caught > ROUNDS / 10 && caught < ROUNDS, "{caught}");
}
