//! An ordinary Rust program. It needs the grant "console".

use capos_rt as _;
use std::collections::BTreeMap;
use std::env;
use std::thread;

fn main() {
    println!("Hello from a native program on capOS");
    let arguments: Vec<String> = env::args().collect();
    println!("arguments: {}", arguments.join(" "));
    let mut words = BTreeMap::new();
    for word in "no ambient no authority".split(' ') {
        *words.entry(word).or_insert(0) += 1;
    }
    println!("words counted: {}", words.len());
    let speaker = thread::spawn(|| println!("a thread says hello"));
    if speaker.join().is_err() {
        println!("the thread panicked");
    }
    eprintln!("standard error is a stream of its own");
}
