//! End-to-end tests. Each manifest has a `tests/expected/NAME.toml` with the required output of its boot; the
//! test program `boot` runs them all through the host command, as a user would.

pub mod capos;
pub mod command;
pub mod disks;
pub mod expectation;
pub mod patience;
pub mod pattern;
pub mod tree;
