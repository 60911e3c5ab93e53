//! Draws bytes from the granted entropy source and checks their distribution. The argument is the number of
//! bytes; default 4096.

use std::process::ExitCode;

/// The chi-squared statistic of the byte counts, rounded down. For uniform bytes it is near 255, with a standard
/// deviation of 22.6.
fn chi_squared(bytes: &[u8]) -> u64 {
    let mut counts = [0u64; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let total = bytes.len() as u64;
    let squares: u64 = counts.iter().map(|count| count * count).sum();
    (256 * squares / total).saturating_sub(total)
}

fn main() -> ExitCode {
    let length = std::env::args().nth(1).map_or(Ok(4096), |argument| argument.parse());
    let Ok(length @ 1280..) = length else {
        println!("usage: wasi-random [BYTES], at least 1280 for the statistic to mean something");
        return ExitCode::FAILURE;
    };
    let (mut first, mut second) = (vec![0u8; length], vec![0u8; length]);
    if let Err(error) = getrandom::fill(&mut first).and_then(|()| getrandom::fill(&mut second)) {
        println!("random: refused: {error}");
        return ExitCode::FAILURE;
    }

    // Seven standard deviations in either direction: a good source fails once in many billion runs.
    let plausible = |bytes: &[u8]| (100..=415).contains(&chi_squared(bytes));
    if plausible(&first) && plausible(&second) && first != second {
        println!("random: two draws of {length} bytes differ and are evenly distributed");
        ExitCode::SUCCESS
    } else {
        println!("random: suspicious: chi-squared {} and {}", chi_squared(&first), chi_squared(&second));
        ExitCode::FAILURE
    }
}
