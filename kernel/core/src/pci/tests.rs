use super::*;
use proptest::prelude::*;

/// Class and header of the functions on bus 0.
fn machine(address: Address, offset: u8) -> u32 {
    let (class, header) = match address.0 {
        0 => (0x06_0000, 0),
        0x08 => (0x01_0000, 0x80),
        0x0a => (0x02_0000, 0),
        0x0b => (0x06_0400, 1),
        // It answers in place of its other functions, and there is another without a function 0.
        0x10..=0x17 => (0x01_0000, 0),
        0x19 => (0x01_0000, 0x80),
        _ => return u32::MAX,
    };
    match offset {
        8 => class << 8,
        12 => header << 16,
        _ => 0x1042_1af4,
    }
}

#[test]
fn only_functions_that_exist_and_are_no_bridges_may_be_driven() {
    let all = (0..0x40).map(Address);
    let found: std::vec::Vec<_> =
        all.clone().filter(|&address| exists(address, machine)).map(|a| a.0).collect();
    assert_eq!(found, [0, 0x08, 0x0a, 0x0b, 0x10]);
    let drivable = all.filter(|&address| is_drivable(address, machine)).map(|address| address.0);
    assert_eq!(drivable.collect::<std::vec::Vec<_>>(), [0x08, 0x0a, 0x10]);
    assert!(!is_drivable(Address(u16::MAX), machine));
}

#[test]
fn bars_of_all_kinds_are_read() {
    let values = [0xfebd_1000, 0x0000_c001, 0xe000_000c, 0x0000_0001, 0, 0xf000_0000];
    let masks = [0xffff_f000, 0xffff_ff81, 0xffff_c00c, 0xffff_ffff, 1, 0xfff0_0000];
    let bars = Bars::decode(&values, &masks);
    let wide = Some((0x1_e000_0000, 0x4000));
    assert_eq!(bars.0, [Some((0xfebd_1000, 0x1000)), None, wide, None, None, Some((0xf000_0000, 0x10_0000))]);
    // The last register has no second half.
    let bars = Bars::decode(&[0xc041, 0, 0, 0, 0, 4], &[0xffc1, 0, 0, 0, 0, 0xffff_f004]);
    assert_eq!(bars.0, [None; BAR_COUNT]);
}

fn table() -> MsixTable {
    MsixTable { capability: 0x40, entries: 300, bar: 0, offset: 0x1800 }
}

#[test]
fn only_whole_pages_of_the_device_are_given_out() {
    let bars = Bars([
        Some((0xf000_0000, 0x8000)),
        Some((0xf000_8000, 0x100)),
        None,
        Some((0, 0x1000)),
        Some((1 << 44, 0x1000)),
        Some((u64::MAX - 0xfff, 0x1000)),
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
