//! One half of a pair in one host: it holds a console and a timer, and no entropy. A third instance loops all
//! the while and must not take this one's turns.

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

const TURNS: u32 = 20;

fn main() -> ExitCode {
    println!("a: holds a console");
    if getrandom::fill(&mut [0u8; 8]).is_ok() {
        println!("a: got random bytes that nobody granted");
        return ExitCode::FAILURE;
    }
    println!("a: was refused entropy");
    for _ in 0..TURNS {
        sleep(Duration::from_millis(10));
    }
    println!("a: had {TURNS} turns beside a busy loop");
    ExitCode::SUCCESS
}
