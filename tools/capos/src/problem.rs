//! Problems of a manifest: one reason per place, reported together.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

/// A problem of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field, as CUE writes it (`processes.0.grants`); empty for the manifest as a whole.
    pub path: String,
    /// The reason.
    pub reason: String,
    /// The field's position in the file, as `LINE:COLUMN`; `None` if unknown.
    pub position: Option<String>,
    /// The field that it conflicts with.
    pub other: Option<Place>,
}

/// A field, and its position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The field, as CUE writes it.
    pub path: String,
    /// Its `LINE:COLUMN`, if known.
    pub position: Option<String>,
}

impl Problem {
    /// A problem with the field at `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { path: path.into(), reason: reason.into(), position: None, other: None }
    }

    /// Adds the conflicting field at `path`, which is shown after the reason.
    #[must_use]
    pub fn with_other(mut self, path: impl Into<String>) -> Self {
        self.other = Some(Place { path: path.into(), position: None });
        self
    }

    /// The fields whose positions are not known yet.
    fn unplaced(&self) -> impl Iterator<Item = &str> {
        let own = self.position.is_none().then_some(self.path.as_str());
        let other = self.other.as_ref().filter(|other| other.position.is_none());
        own.into_iter().chain(other.map(|other| other.path.as_str()))
    }

    /// Line and column as numbers, for sorting; problems without a position come last.
    fn order(&self) -> (bool, u64, u64) {
        let parts = self.position.as_deref().and_then(|position| position.split_once(':'));
        let numbers = parts.and_then(|(line, column)| Some((line.parse().ok()?, column.parse().ok()?)));
        let (line, column) = numbers.unwrap_or_default();
        (numbers.is_none(), line, column)
    }
}

/// Maximum number of problems shown: more would not be read, and finding their positions takes time.
const MOST_SHOWN: usize = 100;

/// All problems of one manifest file. Shown as one `FILE:LINE:COLUMN: path: reason` per line.
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

    /// Looks up, by `positions`, the fields without a position, for as many problems as are shown, and sorts the
    /// problems by position.
    #[must_use]
    pub fn locate(mut self, positions: impl Fn(&Path, &[&str]) -> Vec<Option<String>>) -> Self {
        let shown = self.problems.iter().take(MOST_SHOWN);
        let paths: Vec<&str> = shown.flat_map(Problem::unplaced).collect();
        let mut found = positions(&self.file, &paths).into_iter();
        for problem in self.problems.iter_mut().take(MOST_SHOWN) {
            if problem.position.is_none() {
                problem.position = found.next().flatten();
            }
            if let Some(other) = problem.other.as_mut().filter(|other| other.position.is_none()) {
                other.position = found.next().flatten();
            }
        }
        self.problems.sort_by_key(Problem::order);
        self
    }

    /// The problems, sorted by position as far as known.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for BadManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(MOST_SHOWN).enumerate() {
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
        if let Some(more @ 1..) = self.problems.len().checked_sub(MOST_SHOWN) {
            write!(f, "\n{}: and {more} more problems", self.file.display())?;
        }
        Ok(())
    }
}

impl Error for BadManifest {}
