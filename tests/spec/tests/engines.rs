//! The suite on the engines, with a compiler in this process.

use std::process::Command;

fn passes(engine: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_spec")).arg(engine).output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn interpreted() {
    passes("interpreter");
}

#[test]
fn compiled() {
    passes("compiler");
}

#[test]
fn portable() {
    passes("portable");
}
