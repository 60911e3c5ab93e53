//! Devices that lie: whatever stands in the rings, a request ends at most once and only if it was begun.

use super::*;
use crate::memory;
use fastrand::Rng;
use virtio_drivers::PhysAddr;
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus};

const PHYSICAL: u64 = 0x1000_0000;
const PAGE: usize = virtio_drivers::PAGE_SIZE;
/// Two for the rings, one for the headers.
const PAGES_OF_A_QUEUE: usize = 3;
const ROUNDS: usize = 3000;

/// A device that remembers where its rings are.
#[derive(Default)]
struct Liar {
    available: u64,
    used: u64,
}

impl Transport for Liar {
    fn device_type(&self) -> DeviceType {
        DeviceType::Block
    }

    fn read_device_features(&mut self) -> u64 {
        0
    }

    fn write_driver_features(&mut self, _: u64) {}

    fn max_queue_size(&mut self, _: u16) -> u32 {
        1024
    }

    fn notify(&mut self, _: u16) {}

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::empty()
    }

    fn set_status(&mut self, _: DeviceStatus) {}

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(&mut self, _: u16, _: u32, _: PhysAddr, available: PhysAddr, used: PhysAddr) {
        (self.available, self.used) = (available - PHYSICAL, used - PHYSICAL);
    }

    fn queue_unset(&mut self, _: u16) {}

    fn queue_used(&mut self, _: u16) -> bool {
        false
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        InterruptStatus::empty()
    }

    fn read_config_generation(&self) -> u32 {
        0
    }

    fn read_config_space<T>(&self, _: usize) -> virtio_drivers::Result<T> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }

    fn write_config_space<T>(&mut self, _: usize, _: T) -> virtio_drivers::Result<()> {
        Err(virtio_drivers::Error::ConfigSpaceMissing)
    }
}

/// Memory as the device sees it.
struct Memory(Mapping);

impl Memory {
    fn put<T>(&self, offset: u64, value: T) {
        let place = self.0.part(usize::try_from(offset).unwrap(), size_of::<T>()).unwrap();
        // SAFETY: the place is allocated, and aligned as the rings are; nobody has references to it.
        unsafe { place.cast::<T>().write_volatile(value) };
    }

    /// Finishes a request, a true one or not, as far as the ring goes.
    fn finish(&self, liar: &Liar, number: u16, id: u32) {
        let entry = liar.used + 4 + u64::from(number) % ENTRIES as u64 * 8;
        self.put(entry, id);
        self.put(liar.used + 2, number.wrapping_add(1));
    }

    fn garble(&self, random: &mut Rng, first_page: usize) {
        for _ in 0..random.usize(..16) {
            let offset = first_page * PAGE + random.usize(..PAGES_OF_A_QUEUE * PAGE);
            self.put(offset as u64, random.u8(..));
        }
    }
}

/// How many requests ended, and whether the driver saw that something is wrong.
fn play(random: &mut Rng, memory: &Memory, first_page: usize, transfer: Mapping) -> (usize, bool) {
    let mut liar = Liar::default();
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
                let true_ones = queue.under_way.iter().flatten().map(|(token, _)| u32::from(*token));
                let Some(token) = random.choice(true_ones.collect::<Vec<_>>()) else { continue };
                memory.finish(&liar, said, token);
                said = said.wrapping_add(1);
            }
            13 if random.u8(..8) == 0 => memory.finish(&liar, said, random.u32(..80)),
            14 if random.u8(..8) == 0 => memory.put(liar.used + 2, random.u16(..)),
            15 if random.u8(..8) == 0 => memory.garble(random, first_page),
            _ => match queue.next_finished() {
                Ok(None) => {}
                Ok(Some((slot, _))) => {
                    assert!(std::mem::take(&mut begun[slot]), "a request that was not begun has ended");
                    let _ = queue.serial(slot);
                    ended += 1;
                }
                Err(Broken) => return (ended, true),
            },
        }
        assert!(queue.ring.available_desc() <= ENTRIES);
    }
    (ended, false)
}

#[test]
fn lies_do_no_harm() {
    let control = Mapping::of_host(PHYSICAL, ROUNDS * PAGES_OF_A_QUEUE * PAGE);
    let transfer = Mapping::of_host(PHYSICAL << 1, 512 * SLOTS);
    // Memory of this process belongs to this test alone.
    memory::set_memory(control, transfer);
    let mut random = Rng::with_seed(1);
    let (mut ended, mut caught) = (0, 0);
    for round in 0..ROUNDS {
        let (more, is_caught) = play(&mut random, &Memory(control), round * PAGES_OF_A_QUEUE, transfer);
        ended += more;
        caught += usize::from(is_caught);
    }
    assert!(ended > 10 * ROUNDS, "{ended}");
    assert!(caught > ROUNDS / 10 && caught < ROUNDS, "{caught}");
}
