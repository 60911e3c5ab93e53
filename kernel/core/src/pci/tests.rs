use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Configuration words by address and offset; all ones for any other address.
#[derive(Default)]
struct Machine(BTreeMap<(Address, u8), u32>);

impl Machine {
    fn add(&mut self, address: Address, device: u16, class: u32, header: u8) {
        self.0.insert((address, 0), 0x1af4 | u32::from(device) << 16);
        self.0.insert((address, 8), class << 8);
        self.0.insert((address, 12), u32::from(header) << 16);
    }

    fn enumerate(&self) -> std::vec::Vec<Function> {
        enumerate(|address, offset| self.0.get(&(address, offset)).copied().unwrap_or(u32::MAX)).unwrap()
    }
}

#[test]
fn bridges_are_followed_and_loops_are_not() {
    let mut machine = Machine::default();
    machine.add(Address::new(0, 0, 0), 1, 0x060000, 0);
    machine.add(Address::new(0, 3, 0), 2, 0x060400, 1);
    machine.0.insert((Address::new(0, 3, 0), 0x18), 0x0005_0500);
    machine.add(Address::new(5, 0, 0), 3, 0x010000, 0x80);
    machine.add(Address::new(5, 0, 7), 4, 0x010000, 0);
    // Behind the bridge, one bridge leads back to bus 0 and another to its own bus.
    machine.add(Address::new(5, 1, 0), 5, 0x060400, 1);
    machine.0.insert((Address::new(5, 1, 0), 0x18), 0);
    machine.add(Address::new(5, 2, 0), 6, 0x060400, 1);
    machine.0.insert((Address::new(5, 2, 0), 0x18), 0x0505_0505);
    // Without function 0 there is no device; a device with a single function is not searched for function 1.
    machine.add(Address::new(0, 9, 1), 7, 0x010000, 0);
    machine.add(Address::new(5, 1, 1), 8, 0x010000, 0);
    machine.add(Address::new(0, 31, 0), 9, 0x010000, 0);
    let found = machine.enumerate();
    let devices: std::vec::Vec<_> = found.iter().map(|function| function.device).collect();
    assert_eq!(devices, [1, 2, 9, 3, 4, 5, 6]);
    let drivable: std::vec::Vec<_> = found.iter().filter(|f| f.is_drivable()).map(|f| f.device).collect();
    assert_eq!(drivable, [9, 3, 4]);
}

#[test]
fn a_machine_without_pci_has_nothing_and_one_with_too_much_is_cut() {
    assert!(Machine::default().enumerate().is_empty());
    let all = enumerate(|_, offset| if offset == 12 { 0x0080_0000 } else { 0 }).unwrap();
    assert_eq!(all.len(), MAX_FUNCTIONS);
}

#[test]
fn bars_of_all_kinds_are_read() {
    let values = [0xfebd_1000, 0x0000_c001, 0xe000_000c, 0x0000_0001, 0, 0xf000_0000];
    let masks = [0xffff_f000, 0xffff_ff81, 0xffff_c00c, 0xffff_ffff, 1, 0xfff0_0000];
    let bars = Bars::decode(&values, &masks);
    assert_eq!(bars.0[0], Some(Bar::Memory { address: 0xfebd_1000, length: 0x1000 }));
    assert_eq!(bars.0[1], Some(Bar::Ports { address: 0xc000, length: 0x80 }));
    assert_eq!(bars.0[2], Some(Bar::Memory { address: 0x1_e000_0000, length: 0x4000 }));
    assert_eq!(bars.0[3], None);
    assert_eq!(bars.0[4], None);
    assert_eq!(bars.0[5], Some(Bar::Memory { address: 0xf000_0000, length: 0x10_0000 }));
    // Port registers may decode only 16 bits; the last register has no second half.
    let bars = Bars::decode(&[0xc041, 0, 0, 0, 0, 4], &[0xffc1, 0, 0, 0, 0, 0xffff_f004]);
    assert_eq!(bars.0[0], Some(Bar::Ports { address: 0xc040, length: 0x40 }));
    assert_eq!(bars.0[5], None);
}

fn table() -> MsixTable {
    MsixTable { capability: 0x40, entries: 300, bar: 0, offset: 0x1800 }
}

#[test]
fn only_whole_pages_of_the_device_are_given_out() {
    let bars = Bars([
        Some(Bar::Memory { address: 0xf000_0000, length: 0x8000 }),
        Some(Bar::Memory { address: 0xf000_8000, length: 0x100 }),
        Some(Bar::Ports { address: 0xc000, length: 0x1000 }),
        Some(Bar::Memory { address: 0, length: 0x1000 }),
        Some(Bar::Memory { address: 1 << 44, length: 0x1000 }),
        Some(Bar::Memory { address: u64::MAX - 0xfff, length: 0x1000 }),
    ]);
    let get = |bar, offset, length| bars.registers(bar, offset, length, Some(&table()));
    assert_eq!(get(0, 0, 0x1000), Ok(0xf000_0000));
    assert_eq!(get(0, 0x3000, 0x5000), Ok(0xf000_3000));
    assert_eq!(get(0, 0x3000, 0x6000), Err(RegistersError::Outside));
    assert_eq!(get(0, u64::MAX - 0xfff, 0x1000), Err(RegistersError::Outside));
    assert_eq!(get(0, 0, 0x800), Err(RegistersError::Unaligned));
    assert_eq!(get(0, 0x10, 0x1000), Err(RegistersError::Unaligned));
    assert_eq!(get(0, 0, 0), Err(RegistersError::Unaligned));
    assert_eq!(get(0, 0, u64::MAX - 0xfff), Err(RegistersError::Unaligned));
    // The table is on the pages at 0x1000 and 0x2000.
    for offset in [0x1000, 0x2000] {
        assert_eq!(get(0, offset, 0x1000), Err(RegistersError::HoldsInterruptTable));
    }
    assert_eq!(get(0, 0, 0x8000), Err(RegistersError::HoldsInterruptTable));
    assert_eq!(get(1, 0, 0x1000), Err(RegistersError::SharesPages));
    for bar in [2, 3, 4, 5, 6, 255] {
        assert_eq!(get(bar, 0, 0x1000), Err(RegistersError::NoMemory), "{bar}");
    }
}

#[test]
fn the_interrupt_table_is_found() {
    let mut config = [0; CONFIG_BYTES];
    assert_eq!(find_msix(&config), None);
    config[6] = 1 << 4;
    config[0x34] = 0x98;
    config[0x98..0x9c].copy_from_slice(&[0x09, 0x43, 0, 0]);
    config[0x40..0x4c].copy_from_slice(&[0x11, 0, 0x03, 0x80, 0x01, 0x08, 0, 0, 0, 0, 0, 0]);
    let table = find_msix(&config).unwrap();
    assert_eq!(table, MsixTable { capability: 0x40, entries: 4, bar: 1, offset: 0x800 });
    assert_eq!(table.pages(), 0..0x1000);
}

proptest! {
    #[test]
    fn no_configuration_space_confuses(config in prop::array::uniform32(any::<u64>())) {
        let mut bytes = [0; CONFIG_BYTES];
        for (into, word) in bytes.chunks_exact_mut(8).zip(config) {
            into.copy_from_slice(&word.to_le_bytes());
        }
        bytes[6] |= 1 << 4;
        if let Some(table) = find_msix(&bytes) {
            prop_assert!(table.entries >= 1 && table.entries <= 2048 && table.pages().end <= 1 << 33);
        }
    }

    #[test]
    fn what_is_given_out_is_the_devices_and_not_the_tables(
        values in prop::array::uniform6(any::<u32>()),
        masks in prop::array::uniform6(prop::sample::select(&[
            0, 1, 0xffff_f000_u32, 0xffff_0000, 0xff00_0000, 0xffff_ff00, 0xffff_fff0, u32::MAX, 0xffff_c00c,
        ][..])),
        bar in 0_u8..8,
        offset in (0_u64..64).prop_map(|page| page * 4096),
        length in (0_u64..64).prop_map(|page| page * 4096),
    ) {
        let bars = Bars::decode(&values, &masks);
        let table = MsixTable { bar: 0, ..table() };
        if let Ok(address) = bars.registers(bar, offset, length, Some(&table)) {
            let (start, total) = bars.memory(bar).unwrap();
            prop_assert!(start > 0 && start % 4096 == 0 && total % 4096 == 0);
            prop_assert_eq!(address, start + offset);
            prop_assert!(offset + length <= total && length > 0);
            prop_assert!(bar != 0 || offset + length <= table.pages().start || offset >= table.pages().end);
        }
    }
}
