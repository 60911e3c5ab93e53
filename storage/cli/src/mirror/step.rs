//! One step of bringing a folder up to date, and the outcome of all.

use std::fs::Permissions;

use super::difference::Change;
use crate::source::LeftOut;

/// The result for the folder.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Files, folders and links that were created, replaced or removed.
    pub changed: usize,
    /// Paths left unchanged because the folder had changed there as well.
    pub conflicts: Vec<String>,
    /// Paths left unchanged because the program's entry is not allowed in the folder.
    pub left_out: Vec<LeftOut>,
}

/// One thing to do.
pub(super) struct Step<'a> {
    pub(super) path: &'a str,
    pub(super) change: Change,
    /// The mode of the new entry.
    pub(super) mode: Option<Permissions>,
}

/// Whether `path` is below one of `others`.
pub(super) fn is_below(path: &str, others: &[String]) -> bool {
    others.iter().any(|other| path.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/')))
}
