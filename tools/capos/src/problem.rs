//! What is wrong with a manifest: one reason for each place, all of them together.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as CUE writes it (`processes.0.grants`); empty for the manifest as a whole.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
    /// Where the field stands in the file, as `LINE:COLUMN`; `None` where that is not known.
    pub position: Option<String>,
}

impl Problem {
    /// A problem with the field at `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), position: None }
    }
}

/// More problems than this are shown without their places, each of which takes a run of `cue` to find.
const MOST_LOCATED: usize = 20;

/// Everything that is wrong with one manifest file. Shown as one `FILE:LINE:COLUMN: path: reason` a line.
#[derive(Debug)]
pub struct BadManifest {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl BadManifest {
    /// An error that lists `problems`.
    pub fn new(file: &Path, problems: Vec<Problem>) -> Self {
        Self { file: file.to_owned(), problems }
    }

    /// Asks `position` where each field stands whose place is not known yet, for at most as many as anybody reads.
    #[must_use]
    pub fn locate(mut self, position: impl Fn(&Path, &str) -> Option<String>) -> Self {
        for problem in self.problems.iter_mut().take(MOST_LOCATED) {
            if problem.position.is_none() {
                problem.position = position(&self.file, &problem.path);
            }
        }
        self
    }

    /// The problems in the order they were found.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:", self.file.display())?;
            match &problem.position {
                Some(position) => write!(f, "{position}: ")?,
                None => write!(f, " ")?,
            }
            if !problem.path.is_empty() {
                write!(f, "{}: ", problem.path)?;
            }
            write!(f, "{}", problem.reason)?;
        }
        Ok(())
    }
}

impl Error for BadManifest {}
