//! An endless history of file operations derived from a seed: operation `n` is always the same. A guest performs them,
//! and a test on the host knows the effect of each prefix on a volume.

mod op;
mod tree;

pub use op::{Op, content};
pub use tree::Tree;
