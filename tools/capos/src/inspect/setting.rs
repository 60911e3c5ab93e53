//! The place of what a message is about.

/// Where the reader of a message sets what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In a manifest.
    Field,
    /// On the command line.
    Option,
}
