//! From a manifest file to a boot package, step by step.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::app::App;
use crate::binaries::{self, Images};
use crate::cue;
use crate::inspect::setting::Setting;
use crate::manifest::broken::Broken;
use crate::manifest::{Engine, Manifest, ProgramKind, check, decode};
use crate::pack;
use crate::problem::{BadManifest, Problem};
use crate::project::Project;
use crate::qemu::{Boot, ConsoleLine};
use crate::volumes::{self, Instead};

/// A manifest without errors, and the programs it names.
#[derive(Debug)]
pub struct Checked {
    /// The manifest that boots.
    pub manifest: Manifest,
    /// The programs.
    pub images: Images,
    /// The manifest's folder, which paths in it are relative to.
    pub folder: PathBuf,
}

/// Reads `file` and reports all its errors as one [`BadManifest`]. Its consoles use `line`, unless it states another.
/// Disks are not checked, because they are supplied at boot.
pub fn check(project: &Project, file: &Path, line: ConsoleLine) -> Result<Checked> {
    let folder = parent(file);
    check_with(project, &Source { file, folder: &folder, app: None, engine: None }, line, None)
}

/// Like [`check()`], including the checks for a run, with `instead` replacing disks that the manifest names, and `engine`
/// that of its WebAssembly hosts.
pub fn check_to_run(
    project: &Project,
    file: &Path,
    line: ConsoleLine,
    instead: Instead<'_>,
    engine: Option<Engine>,
) -> Result<Checked> {
    let folder = parent(file);
    check_with(project, &Source { file, folder: &folder, app: None, engine }, line, Some(instead))
}

fn parent(file: &Path) -> PathBuf {
    file.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Like [`check_to_run`] for the manifest of `app`, whose folders take `sizes`. The part for CUE is written into `place`;
/// paths in it are relative to the current folder.
pub fn check_app(
    project: &Project,
    app: &App,
    sizes: &[u64],
    place: &Path,
    line: ConsoleLine,
) -> Result<Checked> {
    let file = place.join(format!("{}.cue", app.name()));
    fs::write(&file, app.outline(sizes)).with_context(|| file.display().to_string())?;
    let source = Source { file: &file, folder: Path::new(""), app: Some(app), engine: None };
    // The images of folders are created anew, whatever exists under their names.
    let new = |index| (App::dir_volume(index), place.join(format!("{index}.img")));
    let made: Vec<_> = (0..app.dirs.len()).map(new).collect();
    check_with(project, &source, line, Some(&made))
}

/// The source of a manifest.
struct Source<'a> {
    file: &'a Path,
    /// The folder that its paths are relative to.
    folder: &'a Path,
    /// The program that completes it, if `file` has only an outline.
    app: Option<&'a App>,
    /// The engine of hosts that would only interpret.
    engine: Option<Engine>,
}

/// `disks` are those of a run, if there is one.
fn check_with(
    project: &Project,
    source: &Source<'_>,
    line: ConsoleLine,
    disks: Option<Instead<'_>>,
) -> Result<Checked> {
    let file = source.file;
    let (mut manifest, mut problems) = evaluate(project, source)?;
    manifest.connect(line);
    let folder = source.folder.to_owned();
    let broken = Broken::new(&problems);
    let mut more = check::check(&manifest, &broken);
    more.extend(volumes::check(&manifest, &folder));
    if let Some(instead) = disks {
        more.extend(volumes::check_disks(&manifest, &folder, instead, &broken));
    }
    let setting = if source.app.is_some() { Setting::Option } else { Setting::Field };
    let images = binaries::load(&manifest, project, &folder, setting, &broken);
    problems.extend(more);
    match images {
        Ok(images) if problems.is_empty() => return Ok(Checked { manifest, images, folder }),
        Ok(_) => {}
        Err(more) => problems.extend(more),
    }
    Err(located(project, BadManifest::new(file, problems)))
}

/// Adds the source position of each field.
fn located(project: &Project, bad: BadManifest) -> anyhow::Error {
    bad.locate(|file, paths| cue::positions(project, file, paths)).into()
}

/// The programs of this tree that `file` needs built before it boots, with `engine` if that is to run its instances, sorted,
/// each once.
pub fn needs(
    project: &Project,
    file: &Path,
    engine: Option<Engine>,
) -> Result<BTreeSet<(ProgramKind, String)>> {
    let folder = parent(file);
    let (mut manifest, problems) = evaluate(project, &Source { file, folder: &folder, app: None, engine })?;
    if !problems.is_empty() {
        return Err(located(project, BadManifest::new(file, problems)));
    }
    manifest.connect(ConsoleLine::default());
    let named = manifest.programs().filter(|program| program.file.is_none());
    let mut needs: BTreeSet<_> = named.map(|program| (program.kind, program.name.clone())).collect();
    needs.insert((ProgramKind::Native, binaries::INIT.to_owned()));
    Ok(needs)
}

/// The boot package of `checked`.
pub fn build(checked: &Checked) -> Result<Vec<u8>> {
    let volumes = volumes::pack(&checked.manifest, &checked.folder)?;
    pack::pack(&checked.manifest, &checked.images, &volumes)
}

/// Packs `checked` into `folder`, ready for direct boot.
pub fn direct_boot(project: &Project, checked: &Checked, folder: &Path) -> Result<Boot> {
    let kernel = kernel(project)?;
    let image = folder.join("image");
    fs::write(&image, build(checked)?).with_context(|| image.display().to_string())?;
    Ok(Boot::Direct { kernel, image })
}

/// The built kernel.
pub fn kernel(project: &Project) -> Result<PathBuf> {
    let kernel = project.kernel();
    if !kernel.is_file() {
        bail!("{} has not been built; `make build` builds it", project.shown(&kernel).display());
    }
    Ok(kernel)
}

/// Evaluates and decodes: the readable parts, and the errors in the rest. If the definitions are violated, our own
/// messages are preferred: they name each wrong field once, with the remedy.
fn evaluate(project: &Project, source: &Source<'_>) -> Result<(Manifest, Vec<Problem>)> {
    let file = source.file;
    let decoded = |mut json: Value| -> Result<_> {
        source.app.map_or(Ok(()), |app| app.complete(&mut json))?;
        source.engine.into_iter().for_each(|engine| engine.replace_in(&mut json));
        Ok(decode::decode_partly(&json))
    };
    let error = match cue::export(project, file, cue::Definitions::Apply) {
        Ok(json) => return decoded(json),
        Err(error) => error,
    };
    let found = error.downcast::<BadManifest>()?;
    let Ok(json) = cue::export(project, file, cue::Definitions::Leave) else { return Err(found.into()) };
    let (manifest, mut problems) = decoded(json)?;
    if problems.is_empty() {
        return Ok((manifest, found.problems().to_vec()));
    }
    // As text, bytes are something that nobody wrote.
    for bytes in found.problems().iter().filter(|problem| problem.reason == cue::BYTES) {
        problems.retain(|problem| problem.path != bytes.path);
        problems.push(bytes.clone());
    }
    Ok((manifest, problems))
}
