//! Sleeps a number of times for a number of milliseconds, and prints a line when done.

use std::env;
use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

fn main() {
    let mut arguments = env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let (times, milliseconds) = (arguments.next().unwrap_or(1), arguments.next().unwrap_or(1));
    for _ in 0..times {
        sleep(Duration::from_millis(milliseconds));
    }
    // The reader may be gone, which does not matter.
    let _ = writeln!(io::stdout(), "{times}");
}
