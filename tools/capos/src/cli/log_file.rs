//! Where the kernel log of a run goes.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::project::Project;
use crate::qemu::is_banner;
use crate::say::say;

/// Begins the first line of every log, so that a later run knows that it may overwrite it.
const FIRST: &str = "capOS kernel log of ";
/// A log of a machine that began with firmware has its banner within so many bytes.
const LOOKED_AT: u64 = 4096;

/// A log that is being written.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    path: PathBuf,
    /// Why it is not where logs are by default, and so is removed unless somebody has a reason to read it.
    temporary: Option<String>,
}

impl LogFile {
    /// Opens the log of the run called `name`: in the file `given`, in the project's folder for logs, or, where that cannot
    /// be written, in one for temporary files.
    ///
    /// # Errors
    /// When a given file cannot be written or is something else than a log.
    pub(super) fn open(project: &Project, given: Option<&Path>, name: &str) -> Result<Self> {
        let mut log = match given {
            Some(path) => {
                check(path)?;
                let file = File::create(path).with_context(|| format!("--log {}", path.display()))?;
                Self { file, path: path.to_owned(), temporary: None }
            }
            None => Self::in_folder(&project.log(name), name)?,
        };
        // Nothing is lost with it if the file cannot be written: collecting the log says so.
        drop(writeln!(log.file, "{FIRST}{name}"));
        Ok(log)
    }

    fn in_folder(path: &Path, name: &str) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let reason = match fs::create_dir_all(folder).and_then(|()| File::create(path)) {
            Ok(file) => return Ok(Self { file, path: path.to_owned(), temporary: None }),
            Err(error) => format!("{}: {error}", path.display()),
        };
        let made = tempfile::Builder::new().prefix(&format!("capos-{name}-")).suffix(".log").tempfile();
        let made = made.with_context(|| format!("{reason}; --log names a file for the kernel log"))?;
        let (file, path) = made.keep().context("a temporary file for the kernel log")?;
        Ok(Self { file, path, temporary: Some(reason) })
    }

    /// Says where it is, and if that is not where logs are by default, why.
    pub(super) fn tell(&self) {
        // From the folder in which the command was given, so that the path can be used there.
        let here = env::current_dir().unwrap_or_default();
        let path = self.path.strip_prefix(here).unwrap_or(&self.path).display();
        match &self.temporary {
            Some(reason) => say(format_args!(
                "the log of the run is {path}, because of {reason}; --log names another file"
            )),
            None => say(format_args!("the log of the run is {path}")),
        }
    }

    /// Removes a temporary log after a run with a status of 0, and tells where it is after another one.
    pub(super) fn end(&self, status: u8) {
        match (&self.temporary, status) {
            (None, _) => {}
            // It is in a folder that is cleaned anyway.
            (Some(_), 0) => drop(fs::remove_file(&self.path)),
            (Some(_), _) => self.tell(),
        }
    }
}

/// Checks that `path`, the value of `--log`, can become a log without the loss of anything else.
///
/// # Errors
/// Says what is there.
pub(super) fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    ensure!(!path.as_os_str().is_empty(), "--log: the name of a file is missing");
    let Ok(meta) = fs::metadata(path) else {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        ensure!(
            folder.is_none_or(Path::is_dir),
            "--log {shown}: there is no folder {}",
            folder.unwrap_or(path).display()
        );
        return Ok(());
    };
    ensure!(
        !meta.is_dir(),
        "--log {shown} is a folder; give a file in it, such as {}",
        path.join("capos.log").display()
    );
    if !meta.is_file() || meta.len() == 0 {
        return Ok(());
    }
    let file = File::open(path).with_context(|| format!("--log {shown}"))?;
    let mut lines = BufReader::new(file.take(LOOKED_AT)).split(b'\n').map_while(Result::ok);
    if !lines.any(|line| line.starts_with(FIRST.as_bytes()) || is_banner(&String::from_utf8_lossy(&line))) {
        bail!("--log {shown} exists already and is not a kernel log; give another file, or remove this one");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(folder: &Path) -> Project {
        fs::create_dir_all(folder.join("manifests")).unwrap();
        fs::write(folder.join("manifests/schema.cue"), "").unwrap();
        Project::find(Some(folder), None).unwrap()
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_hindrance() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let log = LogFile::open(&project, None, "one").unwrap();
        assert_eq!((&log.path, &log.temporary), (&project.log("one"), &None));
        log.end(0);
        assert_eq!(fs::read_to_string(&log.path).unwrap(), "capOS kernel log of one\n");
        fs::remove_dir_all(folder.path().join("build")).unwrap();
        fs::write(folder.path().join("build"), "a file").unwrap();
        let log = LogFile::open(&project, None, "two").unwrap();
        assert!(log.temporary.as_ref().unwrap().contains("two.log"), "{log:?}");
        assert!(!log.path.starts_with(folder.path()));
        log.end(1);
        assert!(log.path.is_file());
        log.end(0);
        assert!(!log.path.exists());
    }

    #[test]
    fn only_logs_are_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let file = folder.path().join("x");
        let open =
            || LogFile::open(&project, Some(&file), "run").map(drop).map_err(|error| format!("{error:#}"));
        for _ in 0..2 {
            assert_eq!(open(), Ok(()));
            assert_eq!(fs::read_to_string(&file).unwrap(), "capOS kernel log of run\n");
        }
        for log in ["", "\u{1b}[2JLoading\r\n[   0.000000] capOS 0.1.0\n"] {
            fs::write(&file, log).unwrap();
            assert_eq!(open(), Ok(()), "{log:?}");
        }
        fs::write(&file, "int main(void) {}\n").unwrap();
        let error = open().unwrap_err();
        assert!(error.contains("--log") && error.contains("exists already"), "{error}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "int main(void) {}\n");
        assert_eq!(check(Path::new("/dev/null")).map_err(|error| error.to_string()), Ok(()));
        for (path, wanted) in [
            (folder.path().to_owned(), "is a folder"),
            (folder.path().join("none/x"), "there is no folder"),
            (PathBuf::new(), "is missing"),
        ] {
            let error = check(&path).unwrap_err().to_string();
            assert!(error.starts_with("--log") && error.contains(wanted), "{error}");
        }
    }
}
