//! `scripts/no-manifest.sh`: the error for a name without a manifest.

use std::process::Command;

use capos_repo::root;

fn said(wanted: &str, there: &[&str]) -> String {
    let mut command = Command::new("bash");
    command.args(["scripts/no-manifest.sh", wanted]).args(there).current_dir(root());
    let output = command.output().unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_similar_name_is_suggested_and_all_are_listed() {
    let there = ["disk", "wasi-hello-c", "wasi-hello-rust"];
    for (wanted, meant) in [
        ("wasi-helo-rust", "wasi-hello-rust"),
        ("wasi-hello-rustt", "wasi-hello-rust"),
        ("hello-rust", "wasi-hello-rust"),
        ("disc", "disk"),
    ] {
        let said = said(wanted, &there);
        let first = format!("make: no manifest is called {wanted}; did you mean {meant}?\n");
        assert_eq!(said, format!("{first}make: there are: disk wasi-hello-c wasi-hello-rust\n"));
    }
    assert!(said("nosuch", &there).starts_with("make: no manifest is called nosuch\n"));
}
