//! Host folders that a program may write to: copied into volumes for the run, with changes brought back at
//! its end.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use capos_volume_tool::{LeftOut, Links, Mirror, Source, show_size};

use super::{App, Dir};

/// Default space for a program in a folder, unless the content needs more. Images are sparse files, so unused space
/// costs nothing.
pub const DEFAULT_ROOM: u64 = 1 << 30;
/// Default space in multiples of the content.
const TIMES: u64 = 4;

/// A scanned folder that has not been copied yet.
#[derive(Debug)]
struct Planned {
    volume: String,
    source: Source,
    room: u64,
    device_bytes: u64,
    metadata_bytes: u64,
}

/// The scanned folders of a run.
#[derive(Debug)]
pub struct Plan(Vec<Planned>);

impl Plan {
    /// Scans the writable ones of `dirs`. Each gets space for `room` bytes, its content included, or by default for more
    /// than its content.
    ///
    /// # Errors
    /// If a folder cannot be read, or its content exceeds `room`.
    pub fn make(dirs: &[Dir], room: Option<u64>, links: Links) -> Result<Self> {
        let writable = dirs.iter().enumerate().filter(|(_, dir)| !dir.read_only);
        let planned = writable.map(|(index, dir)| {
            let source = Source::scan(&dir.host, links).context("--dir")?;
            let holds = source.data_bytes();
            let enough = holds.saturating_mul(TIMES).max(DEFAULT_ROOM).next_multiple_of(1 << 20);
            let room = room.unwrap_or(enough);
            ensure!(
                holds <= room,
                "--dir {}: its content takes {} MiB, more than --dir-size {}",
                dir.host.display(),
                holds.div_ceil(1 << 20),
                show_size(room)
            );
            let device_bytes = source.device_bytes(room).next_multiple_of(1 << 20);
            let metadata_bytes = source.metadata_bytes(room);
            Ok(Planned { volume: App::dir_volume(index), source, room, device_bytes, metadata_bytes })
        });
        planned.collect::<Result<_>>().map(Self)
    }

    /// The resulting image sizes, in the order of the folders.
    pub fn image_sizes(&self) -> Vec<u64> {
        self.0.iter().map(|planned| planned.device_bytes).collect()
    }

    /// Copies every folder into an image in `place`. Calls `left_out` for each folder with the entries that cannot
    /// be copied.
    ///
    /// # Errors
    /// If a folder cannot be copied; before any is copied, if there is no space for the images.
    pub fn copy_in(self, place: &Path, mut left_out: impl FnMut(&Path, &[LeftOut])) -> Result<Folders> {
        let needed = self.0.iter().map(|planned| planned.source.data_bytes()).fold(0, u64::saturating_add);
        if let Ok(stat) = rustix::fs::statvfs(place) {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            ensure!(
                needed <= free,
                "--dir: the folders' content takes {} MiB, but {} has only {} MiB free for the copy; set TMPDIR to another folder",
                needed.div_ceil(1 << 20),
                place.display(),
                free >> 20
            );
        }
        let mut folders = Vec::new();
        for Planned { volume, source, room, device_bytes, metadata_bytes } in self.0 {
            let image = place.join(format!("{volume}.img"));
            let host = source.folder().to_owned();
            let mirror =
                Mirror::create(source, &image, device_bytes, Some(metadata_bytes)).with_context(|| {
                    let (host, room) = (host.display(), show_size(room));
                    format!("--dir {host}: cannot create its copy with {room} of space (--dir-size)")
                })?;
            left_out(&host, mirror.left_out());
            folders.push(Folder { volume, image, mirror, room });
        }
        Ok(Folders(folders))
    }
}

#[derive(Debug)]
struct Folder {
    volume: String,
    image: PathBuf,
    mirror: Mirror,
    room: u64,
}

/// The folders of a run and their images.
#[derive(Debug)]
pub struct Folders(Vec<Folder>);

impl Folders {
    /// The image of each disk volume.
    pub fn disks(&self) -> Vec<(String, PathBuf)> {
        self.0.iter().map(|folder| (folder.volume.clone(), folder.image.clone())).collect()
    }

    /// The folder behind a volume, and the space that the program has there.
    pub fn find(&self, volume: &str) -> Option<(&Path, u64)> {
        let folder = self.0.iter().find(|folder| folder.volume == volume)?;
        Some((folder.mirror.folder(), folder.room))
    }

    /// Applies the program's changes to the folders, as far as they were synced. Calls `left_out` with the entries
    /// that are not brought back because they are not allowed in the folder.
    ///
    /// # Errors
    /// If it cannot be completed. The images then have everything.
    pub fn bring_back(&self, mut left_out: impl FnMut(&Path, &[LeftOut])) -> Result<()> {
        let mut problems = Vec::new();
        for Folder { image, mirror, .. } in &self.0 {
            match mirror.bring_back(image) {
                Ok(outcome) => {
                    left_out(mirror.folder(), &outcome.left_out);
                    problems.extend(in_words(mirror.folder(), &outcome.conflicts, mirror.left_out()));
                }
                Err(error) => problems.push(format!("{}: {error:#}", mirror.folder().display())),
            }
        }
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    }

    /// Whether there is anything to bring back.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The paths of `folder` that could not be brought back, one line per reason.
fn in_words(folder: &Path, conflicts: &[String], not_copied: &[LeftOut]) -> Vec<String> {
    let was_there = |path: &&String| {
        let is_at = |above: &str| {
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        not_copied.iter().any(|left_out| is_at(&left_out.path))
    };
    let (hidden, changed): (Vec<_>, Vec<_>) = conflicts.iter().partition(was_there);
    let reasons = [
        (
            hidden,
            "created by the program where the folder has an entry that was not copied in, and not brought back",
        ),
        (changed, "changed during the run by something else and left alone"),
    ];
    let told = reasons.iter().filter(|(paths, _)| !paths.is_empty());
    told.map(|(paths, reason)| {
        let paths: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
        format!("{}: {reason}: {}", folder.display(), paths.join(", "))
    })
    .collect()
}

/// Maximum number of names in a message.
const MOST_NAMED: usize = 10;

/// A line with the entries that were left out of `folder`, or not brought back to it.
pub fn line(folder: &Path, left_out: &[LeftOut], what: &str) -> Option<String> {
    let named: Vec<_> = left_out.iter().take(MOST_NAMED).map(LeftOut::to_string).collect();
    let more = left_out.len().saturating_sub(MOST_NAMED);
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    (!named.is_empty()).then(|| format!("{}: {what}: {}{more}", folder.display(), named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_brought_back_has_its_reason() {
        let link = LeftOut { path: "abs".to_owned(), reason: "a link that leads out".to_owned() };
        let told = |paths: &[&str]| {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            in_words(Path::new("site"), &paths, std::slice::from_ref(&link)).join("\n")
        };
        assert_eq!(told(&[]), "");
        assert_eq!(
            told(&["absolute"]),
            "site: changed during the run by something else and left alone: absolute"
        );
        assert_eq!(
            told(&["abs", "edit", "abs/inner"]),
            "site: created by the program where the folder has an entry that was not copied in, and not brought back: abs, abs/inner\n\
             site: changed during the run by something else and left alone: edit"
        );
    }
}
