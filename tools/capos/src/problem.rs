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
    /// The field that it conflicts with.
    pub other: Option<Place>,
}

/// A field, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The field, as CUE writes it.
    pub path: String,
    /// Its `LINE:COLUMN`, where that is known.
    pub position: Option<String>,
}

impl Problem {
    /// A problem with the field at `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), position: None, other: None }
    }

    /// The same as a conflict with the field at `path`, which is shown behind the reason.
    #[must_use]
    pub fn with_other(mut self, path: impl Into<String>) -> Self {
        self.other = Some(Place { path: path.into(), position: None });
        self
    }

    /// Line and column as numbers, to sort by; what has no place comes last.
    fn order(&self) -> (bool, u64, u64) {
        let parts = self.position.as_deref().and_then(|position| position.split_once(':'));
        let numbers = parts.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        let (line, column) = numbers.unwrap_or_default();
        (numbers.is_none(), line, column)
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

    /// Asks `position` where each field stands whose place is not known yet, for at most as many as anybody reads, and
    /// sorts the problems by that.
    #[must_use]
    pub fn locate(mut self, position: impl Fn(&Path, &str) -> Option<String>) -> Self {
        for problem in self.problems.iter_mut().take(MOST_LOCATED) {
            if problem.position.is_none() {
                problem.position = position(&self.file, &problem.path);
            }
            if let Some(other) = &mut problem.other {
                other.position = position(&self.file, &other.path);
            }
        }
        self.problems.sort_by_key(Problem::order);
        self
    }

    /// The problems, in the order of their places where those are known.
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
            match &problem.other {
                Some(Place { position: Some(position), .. }) => write!(f, ", at line {position}")?,
                Some(Place { path, .. }) => write!(f, ", at {path}")?,
                None => {}
            }
        }
        Ok(())
    }
}

impl Error for BadManifest {}
