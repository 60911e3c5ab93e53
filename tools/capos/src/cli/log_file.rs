//! The kernel log file of a run.

use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::stdio::{stderr, stdout};

use crate::project::Project;
use crate::qemu::is_banner;
use crate::say::say;

/// The beginning of every log, so that a later run can recognise and overwrite it.
const FIRST: &str = "capOS kernel log of ";
/// The log of a machine that started with firmware has its banner within this many bytes.
const LOOKED_AT: u64 = 4096;

/// A log being written.
#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) file: File,
    path: PathBuf,
    /// The reason why it is not in the default place; such a log is removed unless someone may need it.
    temporary: Option<String>,
}

impl LogFile {
    /// Opens the log of the run `name`: in the file `given`, in the project's log folder or, if that is not writable, in
    /// the temporary folder.
    ///
    /// # Errors
    /// If a given file is not writable or is not a log.
    pub(super) fn open(project: &Project, given: Option<&Path>, name: &str) -> Result<Self> {
        let mut log = match given {
            Some(path) => {
                check(path)?;
                Self { file: create(path)?, path: path.to_owned(), temporary: None }
            }
            None => Self::in_folder(&project.log(name), name)?,
        };
        // If this write fails, collecting the log will report the error.
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

    /// Prints its path and, if that is not the default place, why.
    pub(super) fn tell(&self) {
        // Relative to the current folder, so that the path can be used there.
        let here = env::current_dir().unwrap_or_default();
        let path = self.path.strip_prefix(here).unwrap_or(&self.path).display();
        match &self.temporary {
            Some(reason) => say(format_args!(
                "the log of the run is {path}, because of {reason}; use --log for another file"
            )),
            None => say(format_args!("the log of the run is {path}")),
        }
    }

    /// Removes a temporary log after a run with status 0, and prints its path after another one.
    pub(super) fn end(&self, status: u8) {
        match (&self.temporary, status) {
            (None, _) => {}
            // It is in a folder that is cleaned in any case.
            (Some(_), 0) => drop(fs::remove_file(&self.path)),
            (Some(_), _) => self.tell(),
        }
    }
}

/// Opens a log at `path` for writing. One of our own streams is continued at its position: it may be a file with other
/// output.
fn create(path: &Path) -> Result<File> {
    let shown = path.display();
    let about = || format!("--log {shown}");
    if let Some(stream) = ours(path) {
        return stream.try_clone_to_owned().map(File::from).with_context(about);
    }
    if !fs::metadata(path).is_ok_and(|meta| meta.file_type().is_fifo()) {
        return File::create(path).with_context(about);
    }
    // A normal open would wait for a reader.
    let opened = OpenOptions::new().write(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(Errno::NXIO.raw_os_error()) => {
            bail!(
                "--log {shown} is a FIFO without a reader; start its reader first, for example `cat {shown} &`"
            )
        }
        opened => opened.with_context(about)?,
    };
    let flags = fcntl_getfl(&file).with_context(about)?;
    fcntl_setfl(&file, flags.difference(OFlags::NONBLOCK)).with_context(about)?;
    Ok(file)
}

/// Our own stream that a path refers to.
fn ours(path: &Path) -> Option<BorrowedFd<'static>> {
    match path.to_str()? {
        "/dev/stdout" | "/dev/fd/1" | "/proc/self/fd/1" => Some(stdout()),
        "/dev/stderr" | "/dev/fd/2" | "/proc/self/fd/2" => Some(stderr()),
        _ => None,
    }
}

/// Checks that `path`, the value of `--log`, can become a log without destroying anything else.
///
/// # Errors
/// States what is there.
pub(super) fn check(path: &Path) -> Result<()> {
    let shown = path.display();
    ensure!(!path.as_os_str().is_empty(), "--log: the file name is missing");
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
        "--log {shown} is a folder; name a file in it, such as {}",
        path.join("capos.log").display()
    );
    ensure!(!meta.file_type().is_socket(), "--log {shown} is a socket; use a file, or a FIFO with a reader");
    if !meta.is_file() || meta.len() == 0 || ours(path).is_some() {
        return Ok(());
    }
    let file = File::open(path).with_context(|| format!("--log {shown}"))?;
    let mut lines = BufReader::new(file.take(LOOKED_AT)).split(b'\n').map_while(Result::ok);
    if !lines.any(|line| line.starts_with(FIRST.as_bytes()) || is_banner(&String::from_utf8_lossy(&line))) {
        bail!("--log {shown} already exists and is not a kernel log; use another file, or remove this one");
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
    fn a_fifo_needs_a_reader_and_a_stream_of_ours_is_not_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let project = project(folder.path());
        let fifo = folder.path().join("fifo");
        let user = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, user, 0).unwrap();
        let open = || LogFile::open(&project, Some(&fifo), "run");
        let error = format!("{:#}", open().unwrap_err());
        assert!(error.contains("is a FIFO without a reader"), "{error}");
        let options = || OpenOptions::new();
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut reader = options().read(true).custom_flags(flags).open(&fifo).unwrap();
        let log = open().unwrap();
        assert!(!fcntl_getfl(&log.file).unwrap().contains(OFlags::NONBLOCK));
        drop(log);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "capOS kernel log of run\n");
        for stream in ["/dev/stderr", "/dev/null"] {
            assert!(LogFile::open(&project, Some(Path::new(stream)), "run").is_ok(), "{stream}");
        }
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(check(&socket).unwrap_err().to_string().contains("is a socket"));
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
        assert!(error.contains("--log") && error.contains("already exists"), "{error}");
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
