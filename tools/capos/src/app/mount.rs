//! Folders and images on the command line: `HOST::GUEST`, with `:ro` behind for reading only.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{Access, access};

use crate::host_path::folder_of;

/// A folder of the host that the program gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    /// The folder.
    pub host: PathBuf,
    /// The directory's path as the program sees it.
    pub guest: String,
    /// Whether it is read-only for the program.
    pub read_only: bool,
}

/// A volume image that the program gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFile {
    /// The image.
    pub file: PathBuf,
    /// The path under which the program knows its root.
    pub guest: String,
    /// Whether it is read-only for the program.
    pub read_only: bool,
}

/// The host's side, the program's if it is given, and whether it is for reading only.
fn split(text: &str) -> Result<(&str, Option<&str>, bool), String> {
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(text) => (text, true),
        // What it is without it.
        None => (text.strip_suffix(":rw").unwrap_or(text), false),
    };
    // Paths may have a colon in them. One that was meant to protect a folder must not become a part of its name.
    if let Some((_, mode)) = text.rsplit_once(':')
        && (mode.eq_ignore_ascii_case("ro") || mode.eq_ignore_ascii_case("rw"))
    {
        return Err(format!("a path ends with `:ro`, `:rw` or neither, and not with `:{mode}`"));
    }
    if text.ends_with(':') && !text.ends_with("::") {
        return Err("a path ends with `:ro` or `:rw`, with one colon".to_owned());
    }
    match text.split_once("::") {
        Some((host, guest)) => Ok((host, Some(guest), read_only)),
        None => Ok((text, None, read_only)),
    }
}

impl FromStr for Dir {
    type Err = String;

    /// As wasmtime reads it: a folder alone has the same name for the program.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest, read_only) = split(text)?;
        let guest = guest.unwrap_or(host);
        if host.is_empty() || guest.is_empty() {
            return Err(
                "not of the form HOST, HOST::GUEST or HOST::GUEST:ro, such as ./site::/data:ro".to_owned()
            );
        }
        Ok(Self { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

impl FromStr for VolumeFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match split(text)? {
            (file, Some(guest), read_only) if !file.is_empty() && !guest.is_empty() => {
                Ok(Self { file: file.into(), guest: guest.to_owned(), read_only })
            }
            _ => Err("not of the form FILE::GUEST or FILE::GUEST:ro, such as disk.img::/disk".to_owned()),
        }
    }
}

impl Dir {
    /// Checks that the folder is there and can be read.
    ///
    /// # Errors
    /// Says what is there instead, and what to do.
    pub fn check(&self) -> Result<()> {
        let host = &self.host;
        let shown = host.display();
        match fs::metadata(host) {
            Ok(meta) if meta.is_dir() => {
                fs::read_dir(host).with_context(|| format!("--dir: the folder {shown} cannot be read"))?;
                let is_writable = self.read_only || access(host, Access::WRITE_OK | Access::EXEC_OK).is_ok();
                ensure!(is_writable, "{}", self.unwritable());
                Ok(())
            }
            Ok(_) => bail!(
                "--dir: {shown} is not a folder; give the program the one that it lies in: --dir {}::{}",
                folder_of(host).display(),
                Path::new(&self.guest)
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                    .unwrap_or(Path::new("."))
                    .display()
            ),
            Err(error) => bail!("--dir: {}", absent(host, "folder", &error)),
        }
    }
}

impl Dir {
    /// The message about a folder that cannot be written.
    fn unwritable(&self) -> String {
        let Self { host, guest, .. } = self;
        let guest = if host == Path::new(guest) { String::new() } else { format!("::{guest}") };
        let host = host.display();
        format!(
            "--dir: the folder {host} cannot be written by you; `--dir {host}{guest}:ro` gives it to be read"
        )
    }
}

impl VolumeFile {
    /// Checks that the image is there, or can be made.
    ///
    /// # Errors
    /// Says what is there instead, and what to do.
    pub fn check(&self) -> Result<()> {
        let file = &self.file;
        let shown = file.display();
        match fs::metadata(file) {
            Ok(meta) => {
                ensure!(!meta.is_dir(), "--volume: {shown} is a folder; --dir gives a program one");
                let opened = OpenOptions::new().read(true).write(!self.read_only).open(file);
                let hint = if self.read_only { "" } else { "; with :ro behind it, it need not be writable" };
                opened.with_context(|| format!("--volume: {shown} cannot be opened{hint}"))?;
            }
            Err(error) => {
                let is_new = error.kind() == ErrorKind::NotFound && fs::symlink_metadata(file).is_err();
                ensure!(is_new && !self.read_only, "--volume: {}", absent(file, "image", &error));
                let folder = folder_of(file);
                ensure!(
                    folder.is_dir(),
                    "--volume: there is no folder {} in which the image {shown} could be made",
                    folder.display()
                );
                access(folder, Access::WRITE_OK).with_context(|| {
                    format!(
                        "--volume: there is no image {shown}, and none can be made in {}",
                        folder.display()
                    )
                })?;
            }
        }
        Ok(())
    }
}

/// Why there is nothing at `path`, and what may have been meant.
fn absent(path: &Path, what: &str, error: &std::io::Error) -> String {
    let shown = path.display();
    if error.kind() != ErrorKind::NotFound {
        return format!("{shown}: {error}");
    }
    if let Ok(target) = fs::read_link(path) {
        return format!("{shown} is a symbolic link to {}, and there is nothing", target.display());
    }
    let docker =
        path.to_str().and_then(|text| text.split_once(':')).filter(|(host, _)| Path::new(host).is_dir());
    match docker {
        Some((host, guest)) => format!("there is no {what} {shown}; did you mean {host}::{guest}?"),
        None => format!("there is no {what} {shown}"),
    }
}

impl fmt::Display for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--dir {}::{}{}", self.host.display(), self.guest, rights(self.read_only))
    }
}

impl fmt::Display for VolumeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--volume {}::{}{}", self.file.display(), self.guest, rights(self.read_only))
    }
}

fn rights(read_only: bool) -> &'static str {
    if read_only { ":ro" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("site")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        let dir = |text: String| {
            let dir: Dir = text.parse().unwrap();
            dir.check().map_or_else(|error| format!("{error:#}"), |()| String::new())
        };
        assert_eq!(dir(at("site")), "");
        for (text, wanted) in [
            (
                at("file"),
                format!(
                    "is not a folder; give the program the one that it lies in: --dir {}",
                    at("").trim_end_matches('/')
                ),
            ),
            (at("file::/x/file"), format!(": --dir {}::/x", at("").trim_end_matches('/'))),
            (at("none"), format!("there is no folder {}", at("none"))),
            (at("link"), "is a symbolic link to nowhere".to_owned()),
            (at("file/below"), "Not a directory".to_owned()),
            (at("site:/x"), format!("did you mean {}::/x?", at("site"))),
        ] {
            let error = dir(text.clone());
            assert!(error.starts_with("--dir: ") && error.contains(&wanted), "{text}: {error}");
        }
        let said = |text: &str| text.parse::<Dir>().map(|dir| dir.unwritable()).unwrap();
        assert!(
            said("site::/data")
                .ends_with("site cannot be written by you; `--dir site::/data:ro` gives it to be read")
        );
        assert!(said("site").contains("`--dir site:ro`"));
        let volume = |text: String| {
            let volume: VolumeFile = text.parse().unwrap();
            volume.check().map_or_else(|error| format!("{error:#}"), |()| String::new())
        };
        assert_eq!(volume(at("new.img::/x")), "");
        assert_eq!(volume("new.img::/x".to_owned()), "");
        for (text, wanted) in [
            (at("site::/x"), "is a folder; --dir"),
            (at("new.img::/x:ro"), "there is no image"),
            (at("link::/x"), "is a symbolic link to nowhere"),
            (at("none/new.img::/x"), "there is no folder"),
            (at("file/new.img::/x"), "Not a directory"),
        ] {
            let error = volume(text.clone());
            assert!(error.starts_with("--volume: ") && error.contains(wanted), "{text}: {error}");
        }
        assert!(!Path::new(&at("none")).exists());
        // A program that runs cannot be written, whoever asks.
        let busy = std::env::current_exe().unwrap().display().to_string();
        assert!(volume(format!("{busy}::/x")).contains("; with :ro behind it"));
        assert_eq!(volume(format!("{busy}::/x:ro")), "");
    }

    #[test]
    fn both_sides_and_rights() {
        let dir = |host: &str, guest: &str, read_only| {
            Ok(Dir { host: host.into(), guest: guest.into(), read_only })
        };
        assert_eq!("a/b::/data".parse(), dir("a/b", "/data", false));
        assert_eq!(".::.:ro".parse(), dir(".", ".", true));
        assert_eq!("a::/data:rw".parse(), dir("a", "/data", false));
        assert_eq!("c:/x::/y:z".parse(), dir("c:/x", "/y:z", false));
        assert_eq!(".".parse(), dir(".", ".", false));
        assert_eq!("..".parse(), dir("..", "..", false));
        assert_eq!("/srv/site".parse(), dir("/srv/site", "/srv/site", false));
        assert_eq!("site/:ro".parse(), dir("site/", "site/", true));
        assert_eq!("a:b".parse(), dir("a:b", "a:b", false));
        let error = "d::/x::ro".parse::<Dir>().unwrap_err();
        assert!(error.contains("with one colon"), "{error}");
        for bad in
            ["", "d::ro", "d::/x::rw", "::", "a::", "::b", ":ro", "a:::ro", "a::/b:RO", "a:Rw", "a::/b:ro:ro"]
        {
            let parsed: Result<Dir, _> = bad.parse();
            assert!(parsed.is_err(), "{bad}: {parsed:?}");
        }
        for bad in ["", "disk.img", "disk.img:ro", "disk.img::", "::/d"] {
            let parsed: Result<VolumeFile, _> = bad.parse();
            assert!(parsed.is_err(), "{bad}: {parsed:?}");
        }
    }
}
