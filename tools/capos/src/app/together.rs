//! Folders and images that cannot be granted together, because data written through one of them would be lost or
//! never found.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Result, bail, ensure};

use super::{Dir, VolumeFile};
use crate::host_path::is_same_file;

/// Checks all pairs of `dirs` and `volumes`.
///
/// # Errors
/// Names both options of the conflicting pair.
pub fn check(dirs: &[Dir], volumes: &[VolumeFile]) -> Result<()> {
    let mut guests: Vec<(&str, String)> =
        dirs.iter().map(|dir| (dir.guest.as_str(), dir.to_string())).collect();
    guests.extend(volumes.iter().map(|volume| (volume.guest.as_str(), volume.to_string())));
    each_pair(&guests, |(one, first), (other, second)| {
        ensure!(
            plain(one) != plain(other),
            "{first} and {second} are at the same path of the program; give one of them another GUEST"
        );
        Ok(())
    })?;
    each_pair(dirs, |one, other| {
        if one.read_only || other.read_only {
            return Ok(());
        }
        let way = match (holds(&one.host, &other.host), holds(&other.host, &one.host)) {
            (true, true) => "are the same folder",
            (true, false) => "overlap: the second is in the first",
            (false, true) => "overlap: the first is in the second",
            (false, false) => return Ok(()),
        };
        bail!(
            "{one} and {other} {way}; each would be a copy, and only one could be brought back: \
             leave one out, or add :ro to it"
        )
    })?;
    each_pair(volumes, |one, other| {
        ensure!(
            (one.read_only && other.read_only) || !is_same_file(&one.file, &other.file),
            "{one} and {other} are the same image, which can be passed twice only if both have :ro: leave one out"
        );
        Ok(())
    })
}

fn each_pair<T>(all: &[T], mut check: impl FnMut(&T, &T) -> Result<()>) -> Result<()> {
    let pairs =
        all.iter().enumerate().flat_map(|(index, other)| all.iter().take(index).map(move |one| (one, other)));
    pairs.into_iter().try_for_each(|(one, other)| check(one, other))
}

/// A guest path in canonical form. C libraries do not distinguish `a` and `/a`.
fn plain(guest: &str) -> Vec<&str> {
    guest.split('/').filter(|part| !matches!(*part, "" | ".")).collect()
}

/// Whether `inner` is the folder `outer` or below it, also through another path.
fn holds(outer: &Path, inner: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let (outer, inner) = (identity(outer), inner.canonicalize().unwrap_or_default());
    outer.is_some() && inner.ancestors().any(|folder| identity(folder) == outer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn checked(dirs: &[String], volumes: &[String]) -> String {
        let dirs: Vec<Dir> = dirs.iter().map(|text| text.parse().unwrap()).collect();
        let volumes: Vec<VolumeFile> = volumes.iter().map(|text| text.parse().unwrap()).collect();
        check(&dirs, &volumes).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn one_folder_is_written_through_one_option() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).display().to_string();
        fs::create_dir_all(at("site/deep/er")).unwrap();
        fs::create_dir(at("site-2")).unwrap();
        symlink("site/deep", at("way")).unwrap();
        for (one, other, wanted) in [
            ("site::/a", "site::/b", "are the same folder"),
            ("site::/a", "site/.::/b", "are the same folder"),
            ("site/deep::/a", "way::/b", "are the same folder"),
            ("site::/a", "site/deep/er::/b", "the second is in the first"),
            ("way/er::/a", "site::/b", "the first is in the second"),
        ] {
            let error = checked(&[at(one), at(other)], &[]);
            assert!(
                error.contains(wanted) && error.contains(&at(one)) && error.contains(&at(other)),
                "{error}"
            );
            assert_eq!(checked(&[at(one), format!("{}:ro", at(other))], &[]), "");
        }
        assert_eq!(checked(&[at("site::/a"), at("site-2::/b")], &[]), "");
    }

    #[test]
    fn one_image_is_given_once() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).display().to_string();
        fs::write(at("disk"), "").unwrap();
        fs::write(at("other"), "").unwrap();
        fs::hard_link(at("disk"), at("twin")).unwrap();
        symlink("disk", at("link")).unwrap();
        for (one, other) in
            [("disk", "disk"), ("disk", "./disk"), ("disk", "twin"), ("link", "disk"), ("new", "./new")]
        {
            let error = checked(&[], &[at(&format!("{one}::/a")), at(&format!("{other}::/b:ro"))]);
            assert!(error.contains("are the same image") && error.contains("::/a and --volume "), "{error}");
        }
        assert_eq!(checked(&[], &[at("disk::/a:ro"), at("twin::/b:ro")]), "");
        assert_eq!(checked(&[], &[at("disk::/a"), at("other::/b"), at("new::/c"), at("newer::/d")]), "");
    }

    #[test]
    fn one_path_has_one_thing() {
        let error = checked(&["a::/x".to_owned()], &["disk::/x/./".to_owned()]);
        assert!(error.starts_with("--dir a::/x and --volume disk::/x/./ are at the same path"), "{error}");
        let error = checked(&["no-a::/x".to_owned(), "no-b::x".to_owned()], &[]);
        assert!(error.contains("are at the same path of the program"), "{error}");
        assert_eq!(checked(&["no-a::/x".to_owned(), "no-b::y".to_owned()], &[]), "");
    }
}
