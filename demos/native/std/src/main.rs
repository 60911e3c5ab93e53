//! Exercises the standard library. Its argument selects the part: "granted" is everything, the others show a
//! process that lacks a grant.

mod heap;
mod threads;
mod time;

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("granted") => {
            granted();
            ExitCode::from(7)
        }
        Some("no-entropy") => {
            let map: HashMap<u32, u32> = HashMap::new();
            println!("made a hash map of {} entries without entropy", map.len());
            ExitCode::SUCCESS
        }
        Some("no-timer") => {
            println!("read the clock without a timer: {:?}", Instant::now());
            ExitCode::SUCCESS
        }
        // This line is discarded.
        Some("no-console") => {
            println!("written to nowhere");
            ExitCode::from(3)
        }
        other => {
            println!("unknown part {other:?}");
            ExitCode::FAILURE
        }
    }
}

fn granted() {
    println!("environment: COLOUR={}", env::var("COLOUR").unwrap_or_default());
    let words: HashMap<&str, usize> = ["a", "bb", "ccc"].map(|word| (word, word.len())).into();
    println!("hash map: {} entries, ccc is {}", words.len(), words["ccc"]);
    time::all();
    threads::all();
    heap::all();
    println!(
        "files: {}",
        File::open("/etc/passwd").map_or_else(|error| error.to_string(), |_| "opened".into())
    );
    let socket = TcpStream::connect(("127.0.0.1", 80));
    println!("sockets: {}", if socket.is_err() { "refused" } else { "connected" });
}
