//! The engine of a program, and the compiler's cache.

use std::fmt::Write as _;
use std::path::PathBuf;

use capos_volume_tool::{Content, probe};

use super::{App, path};
use crate::manifest::Engine;
use crate::project::Project;
use crate::say::say;

/// The volume of the cache.
const VOLUME: &str = "compiler-cache";
/// The size of its image, which takes no more than is in it.
const SIZE: &str = "512MiB";

impl App {
    /// Has the code of earlier runs used, and kept for later ones: in an image of the tree, one run at a time.
    pub fn find_cache(&mut self, project: &Project) {
        if self.engine != Engine::Interpreter {
            self.cache = cache(project);
        }
    }

    pub(super) fn engine_field(&self) -> &'static str {
        match self.engine {
            Engine::Interpreter => "",
            Engine::Compiler => "engine: \"compiler\", ",
            Engine::Auto => "engine: \"auto\", ",
        }
    }

    pub(super) fn write_compiler(&self, to: &mut String) -> std::fmt::Result {
        match &self.cache {
            Some(_) => writeln!(to, "compiler: cache: {{volume: \"{VOLUME}\", rights: \"rw\"}}"),
            None => Ok(()),
        }
    }

    pub(super) fn write_cache(&self, to: &mut String) -> std::fmt::Result {
        match &self.cache {
            Some(image) => writeln!(to, "\t\"{VOLUME}\": {{disk: {}, size: \"{SIZE}\"}}", path(image)),
            None => Ok(()),
        }
    }
}

/// The image of the cache, unless another run uses it or it is no volume.
fn cache(project: &Project) -> Option<PathBuf> {
    let image = project.compiler_cache();
    let shown = project.shown(&image).display();
    match probe(&image) {
        Ok(Content::Volume) => Some(image),
        Ok(Content::InUse) => None,
        Ok(Content::Other) => {
            say(format_args!("{shown} is no volume, so code of earlier runs is not used; remove it"));
            None
        }
        Err(_) if image.exists() => {
            say(format_args!("{shown} cannot be read, so code of earlier runs is not used"));
            None
        }
        // It will be created, if that is possible.
        Err(_) => {
            let folder = image.parent()?;
            std::fs::create_dir_all(folder).ok()?;
            tempfile::tempfile_in(folder).ok().map(|_| image)
        }
    }
}
