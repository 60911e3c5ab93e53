//! Ties QEMU's life to ours, so that no machine survives when this process is killed.
//!
//! Only a process itself can request that, before it executes QEMU; so this command is started in its place, makes the
//! request, and then executes QEMU.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// The file of the running program, even if its path has been replaced.
pub const OURSELVES: &str = "/proc/self/exe";
/// Precedes the parent's process id, the command and its arguments.
const WORD: &str = "--tied-to";
/// The exit status if the command does not exist. QEMU does not use it.
pub(super) const NOT_STARTED: i32 = 127;

/// `command`, to be started through `capos`, the path of this command, and to be killed with the process that starts
/// it.
pub(super) fn tied(capos: &Path, command: &Path) -> Command {
    let mut tied = Command::new(capos);
    tied.arg(WORD).arg(getpid().to_string()).arg(command);
    tied
}

/// Executes the command in `words`, the whole command line, if it was built by `tied`. Returns an exit status if that
/// fails.
pub fn become_tied(words: &[OsString]) -> Option<u8> {
    let [_, word, parent, command, arguments @ ..] = words else { return None };
    if word != WORD {
        return None;
    }
    let error = become_command(parent, command, arguments);
    // The parent reads it.
    drop(write!(io::stderr(), "{error}"));
    Some(NOT_STARTED as u8)
}

fn become_command(parent: &OsStr, command: &OsStr, arguments: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // The parent may have ended before the signal was requested.
    if getppid().map(|pid| pid.to_string()).as_deref() != parent.to_str() {
        return io::Error::other("its parent has ended");
    }
    Command::new(command).args(arguments).exec()
}
