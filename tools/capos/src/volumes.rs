//! The host's side of volumes: packs folders into images, and finds or creates disk images.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use capos_volume_tool::{Content, Links, Mirror, Source, show_size};

use crate::app::folders;
use crate::binaries::Image;
use crate::host_path::{folder_of, is_same_file};
use crate::manifest::broken::Broken;
use crate::manifest::candidates::{meant_beside, suggestion};
use crate::manifest::{DiskImage, Manifest, Stdio, VolumeSource};
use crate::problem::Problem;
use crate::qemu::Disk;
use crate::say::say;

/// Maximum size of a packed volume: the limit of a Cap'n Proto Data.
const MOST_PACKED_BYTES: u64 = (1 << 29) - 4096;

fn warn(line: Option<String>) {
    if let Some(line) = line {
        say(line);
    }
}

/// Missing folders to be packed, and paths missing in them. `folder` is the manifest's.
pub fn check(manifest: &Manifest, folder: &Path) -> Vec<Problem> {
    let mut problems = Vec::new();
    for volume in &manifest.volumes {
        let VolumeSource::Files(files) = &volume.source else { continue };
        let packed = folder.join(&files.path);
        match no_folder(&packed, "") {
            Some(reason) => problems.push(Problem::new(format!("{}.files", volume.at), reason)),
            None => check_packed(manifest, &volume.name, &packed, &mut problems),
        }
    }
    problems
}

/// The host's path of a directory of the volume that is made of the folder `packed`.
fn within(packed: &Path, directory: &str) -> PathBuf {
    if directory == "." { packed.to_owned() } else { packed.join(directory) }
}

/// Checks paths in the volume that is made of the folder `packed`, in which nothing is ever made.
fn check_packed(manifest: &Manifest, volume: &str, packed: &Path, problems: &mut Vec<Problem>) {
    for process in &manifest.processes {
        let directories = process.listed_directories().filter(|directory| directory.volume == volume);
        for directory in directories {
            let path = within(packed, &directory.path);
            let shown = path.display();
            let reason = match fs::metadata(&path) {
                Ok(meta) if meta.is_dir() => continue,
                Ok(_) => format!("{shown} is a file, and a folder is granted"),
                Err(_) => {
                    format!("the volume is packed without it: there is no {shown}{}", meant_beside(&path))
                }
            };
            problems.push(Problem::new(format!("{}.path", directory.at), reason));
        }
        for instance in process.wasm_host.iter().flat_map(|host| &host.instances) {
            let Stdio::File(file) = &instance.stdin else { continue };
            if file.directory.volume != volume {
                continue;
            }
            let path = within(packed, &file.directory.path).join(&file.name);
            let shown = path.display();
            let reason = match fs::metadata(&path) {
                Ok(meta) if !meta.is_dir() => continue,
                Ok(_) => format!("{shown} is a folder, and standard input is a file"),
                Err(_) => {
                    format!("the volume is packed without it: there is no {shown}{}", meant_beside(&path))
                }
            };
            problems.push(Problem::new(format!("{}.path", file.directory.at), reason));
        }
    }
}

/// The reason why `path` is not a readable folder. `purpose` is appended to the name of a missing one.
fn no_folder(path: &Path, purpose: &str) -> Option<String> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => fs::read_dir(path).err().map(|error| format!("{shown}: {error}")),
        Ok(_) => Some(format!("{shown} is not a folder, which `files` and `from` require")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Some(format!("there is no folder {shown}{purpose}{}", meant_beside(path)))
        }
        Err(error) => Some(format!("{shown}: {error}")),
    }
}

/// Replacements for disk images that the manifest names: the disk's name and the file.
pub type Instead<'a> = &'a [(String, PathBuf)];

fn replaced<'a>(name: &str, instead: Instead<'a>) -> Option<&'a Path> {
    instead.iter().rev().find(|(disk, _)| disk == name).map(|(_, file)| file.as_path())
}

/// The image or folder behind each volume on the host.
pub fn behind(manifest: &Manifest, folder: &Path, instead: Instead<'_>) -> Vec<(String, PathBuf)> {
    let behind = manifest.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Ram(_) => None,
        VolumeSource::Files(files) => Some((volume.name.clone(), folder.join(&files.path))),
        VolumeSource::Disk(image) => {
            let file =
                replaced(&volume.name, instead).map_or_else(|| folder.join(&image.file), Path::to_owned);
            Some((volume.name.clone(), file))
        }
    });
    behind.collect()
}

/// Problems of disk images for a run: missing and not to be created, not files, or without the required volume.
pub fn check_disks(
    manifest: &Manifest,
    folder: &Path,
    instead: Instead<'_>,
    broken: &Broken<'_>,
) -> Vec<Problem> {
    let places = manifest.volumes.iter().filter_map(|volume| match &volume.source {
        VolumeSource::Disk(_) => Some((volume.at.as_str(), "disk")),
        VolumeSource::Ram(_) | VolumeSource::Files(_) => None,
    });
    let granted = manifest.processes.iter().flat_map(|process| &process.grants);
    let granted = granted.filter(|grant| grant.disk().is_some());
    let places = places.chain(granted.map(|grant| (grant.at.as_str(), "disk")));
    let mut problems = Vec::new();
    let mut seen: Vec<(PathBuf, &DiskImage, String)> = Vec::new();
    for ((name, image, is_volume), (at, field)) in manifest.disks().zip(places) {
        if ["size", "from"].iter().any(|field| broken.has(&format!("{at}.{field}"))) {
            continue;
        }
        let other = replaced(&name, instead);
        let file = other.map_or_else(|| folder.join(&image.file), Path::to_owned);
        // Equal paths are found without accessing files.
        let shared = seen.iter().find(|(seen, first, _)| {
            (other.is_some() || first.file != image.file)
                && !(first.read_only && image.read_only)
                && is_same_file(seen, &file)
        });
        if let Some((one, _, first)) = shared {
            let reason = format!(
                "{} and {} are the same image; only readOnly disks can share an image",
                file.display(),
                one.display()
            );
            problems.push(Problem::new(format!("{at}.{field}"), reason).with_other(first.clone()));
        }
        seen.push((file.clone(), image, format!("{at}.{field}")));
        if let Some(reason) = unusable(&file, folder, image, is_volume) {
            let option = if other.is_some() { format!("--disk {name}: ") } else { String::new() };
            problems.push(Problem::new(format!("{at}.{field}"), format!("{option}{reason}")));
        }
    }
    problems
}

/// The reason why `file` cannot be the image of a disk.
fn unusable(file: &Path, folder: &Path, image: &DiskImage, is_volume: bool) -> Option<String> {
    let shown = file.display();
    let meta = match fs::metadata(file) {
        Ok(meta) => meta,
        Err(error) if error.kind() == ErrorKind::NotFound => return lacking(file, image, folder),
        Err(error) => return Some(format!("{shown}: {error}")),
    };
    let kind = meta.file_type();
    if kind.is_dir() && is_volume {
        return Some(format!(
            "{shown} is a folder, but a disk needs an image file; use `files` for a read-only volume of a folder's files, \
             or `from` with `size` for an image initialised with them"
        ));
    }
    if !kind.is_file() && !kind.is_block_device() {
        let what = if kind.is_dir() { "a folder" } else { "no file" };
        return Some(format!("{shown} is {what}, but a disk needs an image file"));
    }
    if let Err(error) = OpenOptions::new().read(true).write(!image.read_only).open(file) {
        let hint = if image.read_only { "" } else { "; with `readOnly: true` it need not be writable" };
        return Some(format!("{shown} cannot be opened: {error}{hint}"));
    }
    if !is_volume {
        return None;
    }
    match capos_volume_tool::probe(file) {
        Ok(Content::Volume | Content::InUse) => None,
        Ok(Content::Other) => {
            Some(format!("{shown} is not a capOS volume; `capos volume create` makes one in a new file"))
        }
        Err(error) => Some(format!("{error:#}; restore it from another copy")),
    }
}

/// The reason why the missing image `file` cannot be created.
fn lacking(file: &Path, image: &DiskImage, folder: &Path) -> Option<String> {
    if image.size.is_none() {
        return Some(no_image(file));
    }
    if let Some(reason) = homeless(file) {
        return Some(reason);
    }
    no_folder(&folder.join(&image.from.as_ref()?.path), " to fill the image from")
}

/// The reason why an image cannot be created at `file`.
fn homeless(file: &Path) -> Option<String> {
    let folder = folder_of(file);
    let shown = folder.display();
    (!folder.is_dir()).then(|| format!("there is no folder {shown} for {}", file.display()))
}

fn no_image(file: &Path) -> String {
    let shown = file.display();
    let made = "`size` in the manifest creates it, as does `capos volume create`";
    match meant_beside(file).as_str() {
        "" => format!("there is no {shown}; a {made}"),
        meant => format!("there is no {shown}{meant} A {made}"),
    }
}

/// Images of the packed volumes.
pub fn pack(manifest: &Manifest, folder: &Path) -> Result<Vec<Image>> {
    let mut images = Vec::new();
    for volume in &manifest.volumes {
        if let VolumeSource::Files(files) = &volume.source {
            let source_folder = folder.join(&files.path);
            let packed = Source::scan(&source_folder, files.links)
                .and_then(|source| capos_volume_tool::pack(&source, MOST_PACKED_BYTES))
                .with_context(|| format!("volume {}", volume.name))?;
            warn(folders::line(&source_folder, &packed.left_out, "left out"));
            images.push(Image { name: volume.image_name(), bytes: packed.bytes });
        }
    }
    Ok(images)
}

/// The disks of a run, locked against other commands while this is held.
#[derive(Debug)]
pub struct Disks {
    /// In the package's order.
    pub list: Vec<Disk>,
    /// A line for each image that was created.
    pub made: Vec<String>,
    locks: Vec<File>,
}

/// Finds the image of each disk of `manifest`, or creates it if the manifest gives its size. `instead` has
/// replacements for images that the manifest names.
pub fn disks(manifest: &Manifest, folder: &Path, instead: Instead<'_>) -> Result<Disks> {
    for (name, _) in instead {
        ensure!(
            manifest.disks().any(|(disk, _, _)| disk == *name),
            "--disk {name}: the manifest has no disk of this name{}",
            suggestion(name, manifest.disks().map(|(disk, _, _)| disk))
        );
    }
    let mut names = Vec::new();
    let mut disks = Disks { list: Vec::new(), made: Vec::new(), locks: Vec::new() };
    for (name, image, is_volume) in manifest.disks() {
        let replaced = replaced(&name, instead);
        let file = replaced.map_or_else(|| folder.join(&image.file), Path::to_owned);
        if replaced.is_some()
            && let Some(reason) = homeless(&file)
        {
            bail!("--disk {name}: {reason}");
        }
        let mut others = names.iter().zip(&disks.list);
        let other = others
            .find(|(_, other)| !(other.read_only && image.read_only) && is_same_file(&other.file, &file));
        if let Some((other, _)) = other {
            bail!(
                "disk {name}: {} is also the image of the disk {other}; only readOnly disks can share an image",
                file.display()
            );
        }
        names.push(name.clone());
        let is_new = !file.exists();
        let lock = open_or_make(&file, folder, image, is_volume)?;
        if let Some(size) = image.size.filter(|_| is_new) {
            disks.made.push(format!("created {}, {}", file.display(), show_size(size)));
        }
        disks.locks.push(lock);
        disks.list.push(Disk { file, read_only: image.read_only });
    }
    Ok(disks)
}

/// New disks in `folder`, ignoring the files in the manifest: for a run that must find nothing and leave
/// nothing.
pub fn fresh_disks(manifest: &Manifest, folder: &Path) -> Result<Disks> {
    let files: Vec<_> = manifest
        .disks()
        .zip(0..)
        .map(|((name, _, _), number)| (name, folder.join(format!("{number}.disk"))))
        .collect();
    disks(manifest, folder, &files)
}

/// `folder` is the manifest's.
fn open_or_make(file: &Path, folder: &Path, image: &DiskImage, is_volume: bool) -> Result<File> {
    if !file.exists() {
        let Some(size) = image.size else {
            bail!("{}", no_image(file));
        };
        let content = image.from.as_ref().map(|from| (folder.join(&from.path), from.links));
        make(file, size, is_volume, content)?;
    }
    let opened = OpenOptions::new().read(true).write(!image.read_only).open(file);
    let opened = opened.with_context(|| file.display().to_string())?;
    let locked = if image.read_only { opened.try_lock_shared() } else { opened.try_lock() };
    locked
        .map_err(|_| anyhow!("{} is in use; wait until its user has ended, or use a copy", file.display()))?;
    Ok(opened)
}

/// Creates an image atomically: under its name it is complete or absent.
fn make(file: &Path, size: u64, is_volume: bool, content: Option<(PathBuf, Links)>) -> Result<()> {
    let name = file.file_name().with_context(|| format!("{} is no file", file.display()))?;
    let folder = folder_of(file);
    if let Some(reason) = homeless(file) {
        bail!("{reason}");
    }
    let place = tempfile::Builder::new().prefix(".capos-").tempdir_in(folder);
    let place = place.with_context(|| folder.display().to_string())?;
    let made = place.path().join(name);
    if let Some((content, links)) = content {
        let mirror = Source::scan(&content, links)
            .and_then(|source| Mirror::create(source, &made, size, None))
            .with_context(|| format!("copying the folder {}", content.display()))?;
        warn(folders::line(&content, mirror.left_out(), "left out"));
    } else if is_volume {
        capos_volume_tool::create(&made, size)?;
    } else {
        File::create(&made)
            .and_then(|file| file.set_len(size))
            .with_context(|| made.display().to_string())?;
    }
    fs::rename(&made, file).with_context(|| file.display().to_string())
}
