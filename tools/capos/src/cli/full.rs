//! Volumes that had no room for something, as their servers say in the log, and what gives them more.

use std::collections::BTreeSet;
use std::path::Path;

use capos_volume_tool::show_size;

use super::behind::{Behind, VOLUME};
use crate::manifest::{Manifest, VolumeSource};

/// The line of a server whose volume is full.
const DATA: &str = "the volume is full";
/// The same of a volume without room for names, though there may be some for data.
const NAMES: &str = "the volume has no space for more names";

/// The kind of room that a volume lacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Full {
    Data,
    Names,
}

impl Full {
    /// The message, after the volume's name.
    fn words(self) -> &'static str {
        match self {
            Self::Data => "was full",
            Self::Names => "had no space for more files, though perhaps for more data",
        }
    }

    /// The line about the volume in an image.
    pub(super) fn of_image(self, image: &Path) -> String {
        let option = match self {
            Self::Data => "--size",
            Self::Names => "--metadata",
        };
        format!(
            "{} {}; create a larger one with `capos volume create {option}`, and copy the files with `capos volume export` and `import`",
            image.display(),
            self.words()
        )
    }
}

/// Whether a line of a server is about its room, and so no failure of the volume.
pub(super) fn is_told_by(line: &str) -> bool {
    matches!(line, DATA | NAMES)
}

/// The volumes that were full.
pub(super) fn full(log: &[String]) -> BTreeSet<(&str, Full)> {
    let lines = log.iter().filter_map(|line| line.split_once(VOLUME));
    let told = lines.filter_map(|(_, rest)| rest.split_once(": "));
    let told = told.filter_map(|(volume, what)| match what {
        DATA => Some((volume, Full::Data)),
        NAMES => Some((volume, Full::Names)),
        _ => None,
    });
    told.collect()
}

/// A line for each volume of `manifest` that was full.
pub(super) fn of_manifest(manifest: &Manifest, log: &[String], behind: &Behind) -> Vec<String> {
    let lines = full(log).into_iter().filter_map(|(name, full)| {
        let volume = manifest.volumes.iter().find(|volume| volume.name == name)?;
        if let VolumeSource::Ram(bytes) = volume.source {
            return Some(format!(
                "volume {name} {}: raise `{}.ram` in the manifest, where it is {}",
                full.words(),
                volume.at,
                show_size(bytes)
            ));
        }
        let (_, image) = behind.iter().find(|(volume, _)| volume == name)?;
        Some(format!("volume {name}: {}", full.of_image(image)))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::decode::decode;
    use serde_json::json;

    fn log(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn the_volumes_that_were_full_are_found() {
        let log = log(&[
            "[user] fs: dir0: the volume is full",
            "[user] fs: dir1: device error",
            "[user] fs: dir2: the volume has no space for more names",
        ]);
        let full: Vec<_> = full(&log).into_iter().collect();
        assert_eq!(full, [("dir0", Full::Data), ("dir2", Full::Names)]);
    }

    #[test]
    fn a_full_volume_comes_with_its_field_or_image() {
        let volumes = json!({"r": {"ram": "8MiB"}, "d": {"disk": "d.img"}});
        let manifest =
            decode(&json!({"name": "m", "volumes": volumes, "processes": [{"name": "p"}]})).unwrap();
        let log = log(&[
            "[user] fs: r: the volume has no space for more names",
            "[user] fs: d: the volume is full",
            "[user] fs: other: the volume is full",
        ]);
        assert_eq!(
            of_manifest(&manifest, &log, &[("d".to_owned(), "/srv/d.img".into())]),
            [
                "volume d: /srv/d.img was full; create a larger one with `capos volume create --size`, and copy the files with \
                 `capos volume export` and `import`",
                "volume r had no space for more files, though perhaps for more data: raise `volumes.r.ram` in the manifest, \
                 where it is 8MiB",
            ]
        );
    }
}
