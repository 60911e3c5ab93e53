//! The tree that results from operations.

use std::collections::{BTreeMap, BTreeSet};

use crate::op::{Op, content};

/// All directories and files, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// Directories.
    pub directories: BTreeSet<String>,
    /// Files and their content.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Applies operation `number`. Returns whether it succeeds; a failed one changes nothing.
    pub fn apply(&mut self, number: u64, op: &Op) -> bool {
        match op {
            Op::Create(path) => {
                let possible = self.has_parent(path);
                if possible {
                    self.files.entry(path.clone()).or_default();
                }
                possible
            }
            Op::Write { path, offset, length } => {
                self.write(path, Some(*offset as usize), &content(number, *length))
            }
            Op::Append(path, length) => self.write(path, None, &content(number, *length)),
            Op::SetSize(path, size) => match self.files.get_mut(path) {
                Some(bytes) => {
                    bytes.resize(*size as usize, 0);
                    true
                }
                None => false,
            },
            Op::Rename(from, to) if self.directories.contains(from) => self.rename_directory(from, to),
            Op::Rename(from, to) => {
                if !self.has_parent(to) {
                    return false;
                }
                let Some(bytes) = self.files.remove(from) else { return false };
                self.files.insert(to.clone(), bytes);
                true
            }
            Op::Unlink(path) => self.files.remove(path).is_some(),
            Op::MakeDirectory(path) => self.directories.insert(path.clone()),
            Op::RemoveDirectory(path) => self.is_empty(path) && self.directories.remove(path),
            Op::Sync => true,
        }
    }

    fn has_parent(&self, path: &str) -> bool {
        path.split_once('/').is_none_or(|(directory, _)| self.directories.contains(directory))
    }

    fn is_empty(&self, directory: &str) -> bool {
        let prefix = format!("{directory}/");
        !self.files.keys().any(|path| path.starts_with(&prefix))
    }

    fn write(&mut self, path: &str, offset: Option<usize>, data: &[u8]) -> bool {
        let Some(bytes) = self.files.get_mut(path) else { return false };
        let offset = offset.unwrap_or(bytes.len());
        let end = offset + data.len();
        bytes.resize(bytes.len().max(end), 0);
        if let Some(target) = bytes.get_mut(offset..end) {
            target.copy_from_slice(data);
        }
        true
    }

    fn rename_directory(&mut self, from: &str, to: &str) -> bool {
        if from == to {
            return true;
        }
        if !self.is_empty(to) {
            return false;
        }
        self.directories.remove(from);
        self.directories.insert(to.to_owned());
        let prefix = format!("{from}/");
        let moved: Vec<_> = self.files.keys().filter(|path| path.starts_with(&prefix)).cloned().collect();
        for path in moved {
            if let (Some(bytes), Some(name)) = (self.files.remove(&path), path.strip_prefix(&prefix)) {
                self.files.insert(format!("{to}/{name}"), bytes);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histories_are_mixed_and_the_same_each_time() {
        let (mut tree, mut again) = (Tree::default(), Tree::default());
        let mut succeeded = 0;
        for number in 0..2000 {
            let op = Op::number(7, number);
            let done = tree.apply(number, &op);
            assert_eq!(again.apply(number, &Op::number(7, number)), done);
            succeeded += u32::from(done);
        }
        assert_eq!(tree, again);
        assert!((600..1900).contains(&succeeded), "{succeeded}");
        assert_ne!(Op::number(7, 5), Op::number(8, 5));
    }
}
