//! The device's configuration space in the form that `virtio-drivers` requires.

use virtio_drivers::transport::pci::bus::{BarInfo, ConfigurationAccess, DeviceFunction, PciRoot};

const CONFIG_BYTES: usize = 256;
const BAR_COUNT: usize = 6;
const FIRST_BAR: u8 = 0x10;
const STATUS: usize = 6;
const STATUS_HAS_LIST: u8 = 1 << 4;
const FIRST_CAPABILITY: usize = 0x34;
const VENDOR_SPECIFIC: u8 = 0x09;
const COMMON_CONFIGURATION: u8 = 1;
/// Each takes at least four bytes.
const MOST_CAPABILITIES: usize = CONFIG_BYTES / 4;

/// The device's location is irrelevant: there is only one.
pub(crate) const DEVICE: DeviceFunction = DeviceFunction { bus: 0, device: 0, function: 0 };

/// A copy of the configuration space. The crate determines the length of registers by writing all ones to their base
/// address and reading back; the kernel has already done that, so such reads are answered with what it read.
#[derive(Clone)]
pub(crate) struct Snapshot {
    bytes: [u8; CONFIG_BYTES],
    /// The values of the base address registers after all ones were written to them.
    masks: [u32; BAR_COUNT],
    /// Base address registers whose length is being probed.
    asked: [bool; BAR_COUNT],
}

impl Snapshot {
    /// The configuration space, and the masks of the base address registers, as the kernel read them.
    pub(crate) fn new(config: &[u8], masks: impl IntoIterator<Item = u32>) -> capnp::Result<Self> {
        let bytes = config.try_into();
        let bytes =
            bytes.map_err(|_| capnp::Error::failed("invalid length of the configuration space".into()))?;
        let mut snapshot = Self { bytes, masks: [0; BAR_COUNT], asked: [false; BAR_COUNT] };
        for (place, mask) in snapshot.masks.iter_mut().zip(masks) {
            *place = mask;
        }
        // The crate would loop for ever.
        if snapshot.capabilities().nth(MOST_CAPABILITIES).is_some() {
            return Err(capnp::Error::failed(
                "device violated the PCI specification: cyclic capability list".into(),
            ));
        }
        Ok(snapshot)
    }

    fn word(&self, offset: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(offset..offset + 4)?.try_into().ok()?))
    }

    /// The offset and the first word of each entry of the capability list.
    fn capabilities(&self) -> impl Iterator<Item = (usize, [u8; 4])> {
        let has_list = self.bytes.get(STATUS).is_some_and(|status| status & STATUS_HAS_LIST != 0);
        let first = self.bytes.get(FIRST_CAPABILITY).filter(|_| has_list).map(|&at| at & !3);
        let entry = move |at: u8| {
            let at = usize::from(at);
            Some((at, self.word(at)?.to_le_bytes()))
        };
        std::iter::successors(first.and_then(entry), move |(_, [_, next, ..])| {
            Some(*next).filter(|&next| next != 0).and_then(entry)
        })
    }

    /// The base address register and offset of the common configuration.
    pub(crate) fn common_configuration(&self) -> Option<(usize, u64)> {
        let mut capabilities = self.capabilities();
        let (at, _) = capabilities
            .find(|(_, [id, _, _, kind])| *id == VENDOR_SPECIFIC && *kind == COMMON_CONFIGURATION)?;
        let [bar, ..] = self.word(at + 4)?.to_le_bytes();
        Some((usize::from(bar), u64::from(self.word(at + 8)?)))
    }

    /// Address and length of the base address registers that are memory.
    pub(crate) fn memory(&self) -> capnp::Result<[Option<(u64, u64)>; BAR_COUNT]> {
        let bars = PciRoot::new(self.clone()).bars(DEVICE);
        let bars = bars.map_err(|error| capnp::Error::failed(error.to_string()))?;
        Ok(bars.map(|bar| match bar {
            Some(BarInfo::Memory { address, size, .. }) => Some((address, size)),
            Some(BarInfo::IO { .. }) | None => None,
        }))
    }
}

fn bar_index(offset: u8) -> Option<usize> {
    let index = usize::from(offset.checked_sub(FIRST_BAR)?) / 4;
    (index < BAR_COUNT).then_some(index)
}

impl ConfigurationAccess for Snapshot {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        match bar_index(offset) {
            Some(index) if self.asked.get(index) == Some(&true) => {
                self.masks.get(index).copied().unwrap_or(0)
            }
            _ => self.word(usize::from(offset)).unwrap_or(u32::MAX),
        }
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, data: u32) {
        if let Some(asked) = bar_index(offset).and_then(|index| self.asked.get_mut(index)) {
            *asked = data == u32::MAX;
        }
    }

    // Unsafe here: `virtio-drivers` declares it so.
    #[expect(unsafe_code, reason = "required by the trait; copies share nothing")]
    unsafe fn unsafe_clone(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_drivers::transport::pci::bus::{BarInfo, MemoryBarType, PciRoot};

    fn bytes() -> [u8; CONFIG_BYTES] {
        let mut bytes = [0; CONFIG_BYTES];
        bytes[..4].copy_from_slice(&0x1042_1af4_u32.to_le_bytes());
        bytes[STATUS] = STATUS_HAS_LIST;
        bytes[0x14..0x18].copy_from_slice(&0xfebd_5000_u32.to_le_bytes());
        bytes[0x20..0x24].copy_from_slice(&0xfe00_000c_u32.to_le_bytes());
        bytes[0x24..0x28].copy_from_slice(&1_u32.to_le_bytes());
        bytes[FIRST_CAPABILITY] = 0x98;
        bytes[0x98..0x9c].copy_from_slice(&[0x11, 0x84, 1, 0x80]);
        bytes[0x84..0x94].copy_from_slice(&[9, 0x40, 16, 1, 4, 0, 0, 0, 0, 0x10, 0, 0, 0, 0x10, 0, 0]);
        bytes
    }

    const MASKS: [u32; BAR_COUNT] = [0, 0xffff_f000, 0, 0, 0xffff_c00c, u32::MAX];

    fn snapshot() -> Snapshot {
        Snapshot::new(&bytes(), MASKS).unwrap()
    }

    #[test]
    fn the_crate_finds_the_lengths_that_the_kernel_found() {
        let mut root = PciRoot::new(snapshot());
        let bars = root.bars(DEVICE).unwrap();
        let memory = |address, size, address_type, prefetchable| {
            Some(BarInfo::Memory { address_type, prefetchable, address, size })
        };
        assert_eq!(bars[1], memory(0xfebd_5000, 0x1000, MemoryBarType::Width32, false));
        assert_eq!(bars[4], memory(0x1_fe00_0000, 0x4000, MemoryBarType::Width64, true));
        assert!(bars[0].is_none() && bars[2].is_none() && bars[3].is_none() && bars[5].is_none());
        // A second probe gives the same result.
        assert_eq!(root.bars(DEVICE).unwrap(), bars);
        let memory = [None, Some((0xfebd_5000, 0x1000)), None, None, Some((0x1_fe00_0000, 0x4000)), None];
        assert_eq!(snapshot().memory().unwrap(), memory);
    }

    #[test]
    fn the_common_configuration_is_found() {
        assert_eq!(snapshot().common_configuration(), Some((4, 0x1000)));
    }

    #[test]
    fn a_list_without_an_end_is_refused() {
        let mut circle = bytes();
        circle[0x84..0x86].copy_from_slice(&[1, 0x98]);
        assert!(Snapshot::new(&circle, MASKS).is_err());
        assert!(Snapshot::new(&bytes()[1..], MASKS).is_err());
    }

    #[test]
    fn random_configurations_are_harmless() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..100_000 {
            let mut config = bytes();
            for _ in 0..random.usize(..64) {
                config[random.usize(FIRST_CAPABILITY..CONFIG_BYTES)] = random.u8(..);
            }
            let Ok(snapshot) = Snapshot::new(&config, MASKS) else { continue };
            let _ = (snapshot.common_configuration(), snapshot.memory());
            assert!(PciRoot::new(snapshot).capabilities(DEVICE).count() <= MOST_CAPABILITIES);
        }
    }
}
