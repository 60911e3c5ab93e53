//! The required output of a boot: the files in `tests/expected`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::command::Outcome;
use crate::pattern::Pattern;
use crate::tree;

/// One expectation file. Text may hold the placeholders of [`crate::pattern`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The input of the guest.
    #[serde(default)]
    pub stdin: String,
    /// The guest's complete output.
    pub stdout: String,
    /// The exit status.
    pub status: i32,
    /// Text that must be on standard error, in this order.
    #[serde(default)]
    pub stderr: Vec<String>,
    /// Text that must be in the kernel log, in this order.
    #[serde(default)]
    pub log: Vec<String>,
    /// Text that must be anywhere in the kernel log.
    #[serde(default)]
    pub somewhere: Vec<String>,
    /// Text that must be neither in the output nor in the log.
    #[serde(default)]
    pub absent: Vec<String>,
    /// The time limit.
    #[serde(default = "default_seconds")]
    pub seconds: u64,
    /// Files of the tree that not every machine can build. If one is missing the test is skipped, with a message.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Additional arguments for `capos run`.
    #[serde(default)]
    pub options: Vec<String>,
    /// The manifest's disks, by their names for `capos run --disk`: the test has new ones.
    #[serde(default)]
    pub disks: Vec<String>,
    /// Differences if the instances run generated code.
    #[serde(default)]
    pub compiled: Compiled,
    /// The required output of further boots with the same disks. They use time limit, options and disks from here.
    #[serde(default)]
    pub again: Vec<Expectation>,
}

/// Differences if the instances run generated code.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiled {
    /// The reason why that is not tried.
    pub left_out: Option<String>,
    /// The output.
    pub stdout: Option<String>,
    /// The text in the kernel log.
    pub log: Option<Vec<String>>,
}

fn default_seconds() -> u64 {
    300
}

impl Expectation {
    /// The same for instances that run generated code.
    #[must_use]
    pub fn compiled(mut self) -> Self {
        let Compiled { stdout, log, .. } = self.compiled.clone();
        self.stdout = stdout.unwrap_or(self.stdout);
        self.log = log.unwrap_or(self.log);
        self.options.push("--engine=compiler".to_owned());
        for again in &mut self.again {
            again.options.push("--engine=compiler".to_owned());
        }
        self
    }

    /// Reads the expectation of the manifest `name`.
    pub fn read(name: &str) -> Result<Self> {
        let file = tree::root().join("tests/expected").join(format!("{name}.toml"));
        Self::read_file(&file)
            .with_context(|| format!("tests/expected/{name}.toml, which says what this manifest must show"))
    }

    /// Reads an expectation file.
    pub fn read_file(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut first: Self = toml::from_str(&text).with_context(|| file.display().to_string())?;
        for later in &mut first.again {
            let inherits = later.disks.is_empty() && later.options.is_empty() && later.again.is_empty();
            ensure!(inherits, "{}: `again` has disks, options or boots of its own", file.display());
            (later.seconds, later.options) = (first.seconds, first.options.clone());
        }
        Ok(first)
    }

    /// All differences between `outcome` and `log` and the expectation.
    pub fn differences(&self, outcome: &Outcome, log: &str) -> Result<Vec<String>> {
        let mut differences = Vec::new();
        if outcome.status != Some(self.status) {
            differences.push(format!("exit status: expected {}, got {:?}", self.status, outcome.status));
        }
        let stdout = String::from_utf8_lossy(&outcome.stdout);
        if !Pattern::new(&self.stdout)?.matches(&stdout) {
            differences.push(format!("output: expected\n{}\ngot\n{}", quote(&self.stdout), quote(&stdout)));
        }
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        differences.extend(missing("standard error", &self.stderr, &stderr)?);
        differences.extend(missing("log", &self.log, log)?);
        for wanted in &self.somewhere {
            differences.extend(missing("log", std::slice::from_ref(wanted), log)?);
        }
        for unwanted in &self.absent {
            let pattern = Pattern::new(unwanted)?;
            if pattern.is_in(&stdout) || pattern.is_in(log) {
                differences.push(format!("`{}` must not appear, but does", pattern.source()));
            }
        }
        Ok(differences)
    }
}

/// The first of `wanted` that `text` lacks after the lines that contain those before it.
fn missing(place: &str, wanted: &[String], text: &str) -> Result<Option<String>> {
    let mut lines = text.lines();
    for wanted in wanted {
        let pattern = Pattern::new(wanted)?;
        if !lines.any(|line| pattern.is_in(line)) {
            return Ok(Some(format!("{place}: nothing (more) like `{}`", pattern.source())));
        }
    }
    Ok(None)
}

/// `text` with each line marked, so that its beginning, end and blanks are visible.
fn quote(text: &str) -> String {
    text.split_inclusive('\n')
        .map(|line| format!("    | {}", line.escape_debug()))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expectation() -> Expectation {
        toml::from_str("stdout = \"n = {number}\\n\"\nstatus = 3\nlog = ['one', 'two']\nabsent = ['panic']")
            .unwrap()
    }

    fn outcome(stdout: &str, status: i32) -> Outcome {
        Outcome { stdout: stdout.into(), stderr: Vec::new(), status: Some(status), timed_out: false }
    }

    #[test]
    fn what_is_as_expected_passes() {
        let found = expectation().differences(&outcome("n = 5\n", 3), "zero\none\ntwo\n").unwrap();
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn each_difference_is_found() {
        let cases = [
            ("n = 5\n", 0, "one\ntwo", "exit status"),
            ("n = 5", 3, "one\ntwo", "output"),
            ("n = 5\n", 3, "two\none", "log"),
            ("n = 5\n", 3, "one\ntwo\npanic", "must not appear"),
        ];
        for (stdout, status, log, word) in cases {
            let found = expectation().differences(&outcome(stdout, status), log).unwrap();
            assert!(found.len() == 1 && found.iter().all(|one| one.contains(word)), "{word}: {found:?}");
        }
    }

    #[test]
    fn misspelt_fields_are_errors() {
        assert!(toml::from_str::<Expectation>("stdout = ''\nstatus = 0\nstdn = ''").is_err());
    }
}
