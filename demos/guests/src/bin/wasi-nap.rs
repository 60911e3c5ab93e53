//! Sleeps so many times for so many milliseconds, and says with a line when that is done.

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
    // Nobody may be reading any more, which changes nothing.
    let _ = writeln!(io::stdout(), "{times}");
}
