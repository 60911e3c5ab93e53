//! The layout of the source tree and its build products.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use capos_schema::names;

/// Build profile of the kernel and native programs, defined in Cargo.toml.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Rebuilds quickly.
    #[default]
    Release,
    /// With link-time optimisation, as used for benchmarks.
    Shipped,
}

impl Profile {
    /// Cargo's output folder for it.
    fn folder(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Shipped => "shipped",
        }
    }
}

/// A capOS source tree.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    profile: Profile,
}

impl Project {
    /// The tree at `root` if given, otherwise the one that contains `start`, the current folder or this
    /// command.
    pub fn find(root: Option<&Path>, start: Option<&Path>) -> Result<Self> {
        if let Some(root) = root {
            if !is_root(root) {
                bail!("{} is not a capOS tree: it has no manifests/schema.cue", root.display());
            }
            return Ok(Self { root: absolute(root)?, profile: Profile::default() });
        }
        let here = env::current_dir().context("the current folder")?;
        let starts = [start.map(|start| here.join(start)), Some(here.clone()), env::current_exe().ok()];
        for start in starts.into_iter().flatten() {
            if let Some(root) = start.ancestors().find(|folder| is_root(folder)) {
                return Ok(Self { root: absolute(root)?, profile: Profile::default() });
            }
        }
        bail!(
            "no capOS tree (a folder with manifests/schema.cue) contains {}; specify it with --root",
            here.display()
        )
    }

    /// The same tree, with programs of that profile.
    pub fn with_profile(self, profile: Profile) -> Self {
        Self { profile, ..self }
    }

    /// The tree's root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The definitions that manifests are checked against.
    pub fn schema(&self) -> PathBuf {
        self.root.join("manifests/schema.cue")
    }

    /// A manifest of the tree itself: one for users, or else one of the tests.
    pub fn manifest(&self, name: &str) -> PathBuf {
        let file = format!("{name}.cue");
        let toured = self.root.join("manifests").join(&file);
        if toured.is_file() { toured } else { self.test_manifests().join(file) }
    }

    /// The folder of the manifests that only test or measure.
    pub fn test_manifests(&self) -> PathBuf {
        self.root.join("tests/manifests")
    }

    /// The built kernel.
    pub fn kernel(&self) -> PathBuf {
        self.built("kernel/x86_64-unknown-none", self.profile).join("capos-kernel")
    }

    /// The built native program of that name. The compiler is the same in every profile: optimising it across crates takes very
    /// long.
    pub fn native(&self, name: &str) -> PathBuf {
        let profile = if name == names::COMPILER_WORKER { Profile::Release } else { self.profile };
        self.built("x86_64-capos-hermit", profile).join(name)
    }

    fn built(&self, folder: &str, profile: Profile) -> PathBuf {
        self.root.join("target").join(folder).join(profile.folder())
    }

    /// The built WebAssembly module of that name.
    pub fn module(&self, name: &str) -> PathBuf {
        self.root.join("build/wasm").join(format!("{name}.wasm"))
    }

    /// The tools that set-up installs into the tree.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.root.join("build/tools/bin").join(name)
    }

    /// The default path of a run's kernel log.
    pub fn log(&self, run: &str) -> PathBuf {
        self.root.join("build/log").join(format!("{run}.log"))
    }

    /// The image in which `capos run PROGRAM.wasm` keeps compiled code.
    pub fn compiler_cache(&self) -> PathBuf {
        self.root.join("build/compiler-cache.img")
    }

    /// `path` for messages: relative to the tree if it is inside.
    pub fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

fn is_root(folder: &Path) -> bool {
    folder.join("manifests/schema.cue").is_file()
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| path.display().to_string())
}
