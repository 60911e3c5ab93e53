//! Benchmarks of the system: measurements by guests under instruction counting, and properties of the built
//! files.

mod guest;
mod large;
mod memory;
mod report;
mod size;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::project::Project;

pub use report::rewrite;

/// The manifest whose image is measured, and with which the smallest memory is found.
const HELLO: &str = "wasi-hello-rust";
/// The manifest of the same program, compiled.
const COMPILED_HELLO: &str = "wasm-cached-hello";
/// The output of that program.
const HELLO_OUTPUT: &str = "Hello from WASI on capOS\n";

/// One result, printed as `name value unit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The name of the figure: letters, digits and `_`.
    pub name: String,
    /// Its value.
    pub value: u64,
    /// Its unit.
    pub unit: String,
}

impl Measure {
    fn new(name: impl Into<String>, value: u64, unit: &str) -> Self {
        Self { name: name.into(), value, unit: unit.to_owned() }
    }
}

/// The environment for measuring.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The tree.
    pub project: &'a Project,
    /// The QEMU command.
    pub qemu: &'a Path,
}

impl Bench<'_> {
    /// Runs all measurements. `found` is called with each result, or error, as soon as it is known.
    pub fn run(&self, mut found: impl FnMut(&Result<Vec<Measure>>)) -> Result<Vec<Measure>> {
        let mut all = Vec::new();
        let mut add = |measures: Result<Vec<Measure>>| {
            found(&measures);
            all.extend(measures.into_iter().flatten());
        };
        for manifest in self.manifests()? {
            add(self.guest(&manifest));
        }
        add(self.boot_to_hello());
        add(self.boot_to_compiled_hello().map(|measure| vec![measure]));
        add(self.large_module());
        add(size::measure(self.project, &self.project.manifest(HELLO)));
        add(source::measure(self.project));
        for (manifest, name) in
            [(HELLO, "wasm_hello_smallest_memory"), (COMPILED_HELLO, "compiled_hello_smallest_memory")]
        {
            add(self.smallest_memory(manifest, name).map(|measure| vec![measure]));
        }
        Ok(all)
    }

    /// `tests/manifests/bench*.cue`, by name.
    fn manifests(&self) -> Result<Vec<PathBuf>> {
        let folder = self.project.test_manifests();
        let mut manifests = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some(stem) = name.strip_suffix(".cue").filter(|stem| stem.starts_with("bench")) {
                manifests.push(self.project.manifest(stem));
            }
        }
        manifests.sort();
        Ok(manifests)
    }
}
