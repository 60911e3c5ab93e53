//! QEMU's life tied to ours, so that no machine stays behind when we are killed.
//!
//! Only a process itself can ask for that, before it becomes QEMU; so this command is started in its place, asks, and then
//! becomes it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};

/// The file of the program that runs, also if another is at its path by now.
pub const OURSELVES: &str = "/proc/self/exe";
/// Stands before the parent's process number, the command and its arguments.
const WORD: &str = "--tied-to";
/// The exit status when there is no such command. QEMU's own are others.
pub(super) const NOT_STARTED: i32 = 127;

/// `command`, to be started by `capos`, which is this command's file, and to be ended with the process that starts it.
pub(super) fn tied(capos: &Path, command: &Path) -> Command {
    let mut tied = Command::new(capos);
    tied.arg(WORD).arg(getpid().to_string()).arg(command);
    tied
}

/// Becomes what `words`, the whole command line, say, if they are those of `tied`. Returns an exit status if that cannot
/// be done.
pub fn become_tied(words: &[OsString]) -> Option<u8> {
    let [_, word, parent, command, arguments @ ..] = words else { return None };
    if word != WORD {
        return None;
    }
    let error = become_command(parent, command, arguments);
    // Who started us reads it.
    drop(write!(io::stderr(), "{error}"));
    Some(NOT_STARTED as u8)
}

fn become_command(parent: &OsStr, command: &OsStr, arguments: &[OsString]) -> io::Error {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return error.into();
    }
    // It may have ended before the signal was asked for.
    if getppid().map(|pid| pid.to_string()).as_deref() != parent.to_str() {
        return io::Error::other("its parent has ended");
    }
    Command::new(command).args(arguments).exec()
}
