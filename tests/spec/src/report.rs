//! The sum of all scripts.

use crate::{
    Outcome,
    exceptions::{EXCEPTIONS, Kind},
};
use std::fmt;

/// The results of the scripts so far.
pub struct Report {
    kind: Kind,
    scripts: u32,
    passed: u32,
    expected: u32,
    unexpected: u32,
}

impl Report {
    /// The beginning.
    pub fn new(kind: Kind) -> Self {
        Self { kind, scripts: 0, passed: 0, expected: 0, unexpected: 0 }
    }

    /// Adds a script, and returns a line for each thing that is not as it should be.
    pub fn add(&mut self, script: &str, outcome: Result<Outcome, String>) -> Vec<String> {
        self.scripts += 1;
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(error) => {
                self.unexpected += 1;
                return vec![format!("{script}: {error}")];
            }
        };
        self.passed += outcome.passed;
        let mut lines = Vec::new();
        for (line, error) in &outcome.failed {
            match EXCEPTIONS.iter().any(|exception| exception.covers(self.kind, script, *line)) {
                true => self.expected += 1,
                false => lines.push(format!("{script}:{line}: {error}")),
            }
        }
        for exception in EXCEPTIONS.iter().filter(|exception| exception.is_about(self.kind, script)) {
            let failed = |line: usize| outcome.failed.iter().any(|(failed, _)| *failed == line);
            if exception.lines().is_empty() && outcome.failed.is_empty() {
                lines.push(format!("{script}: listed as an exception, but nothing fails"));
            }
            for line in exception.lines().iter().filter(|line| !failed(**line)) {
                lines.push(format!("{script}:{line}: listed as an exception, but it does not fail"));
            }
        }
        self.unexpected += lines.len() as u32;
        lines
    }

    /// Whether everything is as it should be.
    pub fn is_good(&self) -> bool {
        self.unexpected == 0
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scripts, passed, expected, unexpected, .. } = self;
        write!(
            formatter,
            "{scripts} scripts: {passed} directives passed, {expected} exceptions, {unexpected} failures"
        )
    }
}
