//! The battery-backed clock, read once at start.

use super::port;

const INDEX_PORT: u16 = 0x70;
const DATA_PORT: u16 = 0x71;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
const UPDATE_IN_PROGRESS: u8 = 0x80;
/// Status B: 24-hour mode; registers are binary rather than BCD.
const HOURS_24: u8 = 0x02;
const BINARY: u8 = 0x04;
const AFTERNOON: u8 = 0x80;
/// Seconds, minutes, hours, day, month, year.
const REGISTERS: [u8; 6] = [0, 2, 4, 7, 8, 9];
/// An update takes 2 ms once a second; an absent clock appears to be always updating.
const POLL_LIMIT: u32 = 1_000_000;

fn register(index: u8) -> u8 {
    port::write_u8(INDEX_PORT, index);
    port::read_u8(DATA_PORT)
}

fn snapshot() -> [u8; 6] {
    let mut polls = 0;
    while register(STATUS_A) & UPDATE_IN_PROGRESS != 0 && polls < POLL_LIMIT {
        polls += 1;
    }
    REGISTERS.map(register)
}

/// Seconds since 1970-01-01T00:00:00Z, if the clock shows a UTC time of this century.
pub fn read_seconds() -> u64 {
    let mut raw = snapshot();
    // An update may begin between two registers: accept only a value that is read twice.
    for _ in 0..4 {
        let again = snapshot();
        if again == raw {
            break;
        }
        raw = again;
    }
    let mode = register(STATUS_B);
    let number = |value: u8| {
        let value = u64::from(value);
        if mode & BINARY != 0 { value } else { (value >> 4) * 10 + (value & 0xf) }
    };
    let [second, minute, hour, day, month, year] = raw;
    let mut hours = number(hour & !AFTERNOON);
    if mode & HOURS_24 == 0 {
        hours = hours % 12 + if hour & AFTERNOON != 0 { 12 } else { 0 };
    }
    let days = days_since_epoch(2000 + number(year), number(month), number(day));
    ((days * 24 + hours) * 60 + number(minute)) * 60 + number(second)
}

/// Days from 1970-01-01 to a Gregorian date, counted in years that begin in March.
fn days_since_epoch(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    // There are 719469 days from 0000-03-01 (counted from 1) to 1970-01-01.
    days.saturating_sub(719_469)
}
