//! From a manifest file to a boot package: the steps in their order.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::binaries::{self, Images};
use crate::cue;
use crate::manifest::{Manifest, check, decode};
use crate::pack;
use crate::problem::BadManifest;
use crate::project::Project;

/// A manifest without fault, and the programs it names.
#[derive(Debug)]
pub struct Checked {
    /// What boots.
    pub manifest: Manifest,
    /// The programs.
    pub images: Images,
}

/// Reads `file` and reports everything that is wrong with it as one [`BadManifest`].
pub fn check(project: &Project, file: &Path) -> Result<Checked> {
    let manifest = evaluate(project, file)?;
    let mut problems = check::check(&manifest);
    let folder = file.parent().map_or_else(PathBuf::new, Path::to_owned);
    match binaries::load(&manifest, project, &folder) {
        Ok(images) if problems.is_empty() => return Ok(Checked { manifest, images }),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    Err(BadManifest::new(file, problems).into())
}

/// The boot package of `checked`.
pub fn build(checked: &Checked) -> Result<Vec<u8>> {
    pack::pack(&checked.manifest, &checked.images)
}

/// Evaluates and decodes. Where the definitions do not hold, our own messages are preferred: they name
/// each wrong field once, with what would be right there.
fn evaluate(project: &Project, file: &Path) -> Result<Manifest> {
    let bad = |problems| BadManifest::new(file, problems);
    let error = match cue::export(project, file, cue::Definitions::Apply) {
        Ok(json) => return Ok(decode::decode(&json).map_err(bad)?),
        Err(error) => error,
    };
    if error.is::<BadManifest>()
        && let Ok(json) = cue::export(project, file, cue::Definitions::Leave)
    {
        decode::decode(&json).map_err(bad)?;
    }
    Err(error)
}
