//! Reading the boot package where it lies in memory, and starting programs out of it.

mod launch;
mod package;

pub use launch::{Passed, Program, start};
pub use package::{Package, PackageMessage, binary};
