//! An endless history of file operations, known in advance from a seed: operation `n` is the same wherever it is asked
//! for. A guest does them and a test on the host knows what each prefix of them must have made of a volume.

mod op;
mod tree;

pub use op::{Op, content};
pub use tree::Tree;
