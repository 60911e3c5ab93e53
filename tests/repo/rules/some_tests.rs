//! `scripts/some-tests.sh`: a filter that matches no test is an error.

use std::process::Command;

use capos_repo::root;

/// Runs the script with a filter and a command that prints `lines` and exits with `status`.
fn exit_status(filter: &str, lines: &str, status: i32) -> Option<i32> {
    Command::new("bash")
        .args(["scripts/some-tests.sh", filter, "sh", "-c"])
        .arg(format!("printf '{lines}'; exit {status}"))
        .current_dir(root())
        .output()
        .unwrap()
        .status
        .code()
}

const NONE: &str = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 12 filtered out\\n";
const ONE: &str = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 11 filtered out\\n";
const LEFT_OUT: &str = "test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 11 filtered out\\n";

#[test]
fn a_filter_that_matches_nothing_is_an_error() {
    assert_eq!(exit_status("no-such-test", &format!("{NONE}{NONE}"), 0), Some(1));
    assert_eq!(exit_status("no-such-test", "", 0), Some(1));
}

#[test]
fn one_match_is_enough() {
    assert_eq!(exit_status("this", &format!("{NONE}{ONE}{NONE}"), 0), Some(0));
    assert_eq!(exit_status("left-out", LEFT_OUT, 0), Some(0));
    assert_eq!(exit_status("", NONE, 0), Some(0));
}

#[test]
fn a_failure_stays_one() {
    assert_eq!(exit_status("this", ONE, 101), Some(101));
}
