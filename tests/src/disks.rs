//! Disks of a single test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::TempDir;

/// New disks for the boots of one test, in a folder that is removed with this value.
#[derive(Debug)]
pub struct Disks {
    folder: TempDir,
    names: Vec<String>,
}

impl Disks {
    /// A disk for each name known to `capos run --disk`; the first boot creates it, with the manifest's size.
    pub fn new(names: &[String]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("capos-test-").tempdir();
        Ok(Self { folder: folder.context("a temporary folder")?, names: names.to_vec() })
    }

    /// Arguments for `capos run` that name these files.
    pub fn arguments(&self) -> Vec<String> {
        let arguments =
            self.names.iter().enumerate().map(|(number, name)| {
                ["--disk".to_owned(), format!("{name}={}", self.file(number).display())]
            });
        arguments.flatten().collect()
    }

    /// The folder that is removed with this value.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The image of the disk with this number.
    pub fn file(&self, number: usize) -> PathBuf {
        self.folder().join(format!("{number}.img"))
    }
}
