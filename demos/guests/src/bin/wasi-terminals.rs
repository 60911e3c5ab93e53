//! Prints which of its standard streams are terminals.

use std::io::{IsTerminal, stderr, stdin, stdout};

fn main() {
    let streams = [
        ("input", stdin().is_terminal()),
        ("output", stdout().is_terminal()),
        ("errors", stderr().is_terminal()),
    ];
    for (name, is_terminal) in streams {
        println!("{name}: {}", if is_terminal { "yes" } else { "no" });
    }
}
