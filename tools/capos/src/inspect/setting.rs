//! The place of what a message is about.

/// Where the reader of a message changes the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// In a manifest.
    Field,
    /// On the command line.
    Option,
}
