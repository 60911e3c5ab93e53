//! Reads the boot package in place, and starts programs from it.

mod launch;
mod package;

pub use launch::{Passed, Program, start};
pub use package::{Package, PackageMessage, binary};
