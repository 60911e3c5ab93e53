//! The last output of a program on its standard streams. For many refusals this is the only indication of whether
//! the program failed because of them: a C library that found no directory at the start never asks again, but fails
//! to open files by itself.

/// The number of bytes of each message that are examined.
pub(crate) const NOTICED_BYTES: usize = 512;
/// The minimum number of recent bytes that are kept for a stream; up to twice as many are.
const KEPT_BYTES: usize = 2048;

/// Messages on standard error after a thread could not be started: from the standard library of Rust, from that
/// of C++, and from Python.
const NO_THREAD: [&[u8]; 3] =
    [b"failed to spawn thread", b"thread constructor failed", b"can't start new thread"];

/// Whether a message on standard error says that a thread could not be started.
pub(super) fn says_no_thread(message: &[u8]) -> bool {
    NO_THREAD.iter().any(|said| contains(message, said))
}

fn contains(message: &[u8], words: &[u8]) -> bool {
    message.windows(words.len()).any(|part| part == words)
}

/// Phrases in messages about files or directories that could not be opened, in lower case: of C libraries, Rust,
/// Go, Zig, Python, Ruby, Lua and SQLite. The numbers are those of `EBADF`, `ENOENT` and `ENOTCAPABLE`.
pub(super) const OF_FILES: &[&str] = &[
    "no such file",
    "no such directory",
    "not a directory",
    "capabilities insufficient",
    "pre-opened",
    "preopen",
    "bad file",
    "file not found",
    "filenotfound",
    "no module named",
    "cannot load",
    "not open",
    "to open",
    "can't open",
    "couldn't open",
    "cannot open",
    "error opening",
    "ebadf",
    "enoent",
    "enotcapable",
    "error 8)",
    "error 44",
    "error 76",
    "errno 8]",
    "errno 44",
    "errno 76",
];

/// Phrases in messages about a clock that could not be read, or a wait that failed. 52 is `ENOSYS`.
pub(super) const OF_TIME: &[&str] =
    &["clock", "sleep", "not implemented", "not supported", "enosys", "error 52", "errno 52"];

/// Phrases in messages about a lack of permission, besides those about files. 63 is `EPERM`.
pub(super) const OF_RIGHTS: &[&str] = &[
    "permi",
    "denied",
    "readonly",
    "read-only",
    "read only",
    "eperm",
    "error 63",
    "errno 63",
    "writ",
    "save",
    "creat",
    "remove",
    "delete",
    "rename",
];

/// Phrases in messages about too many open files. 33 is `EMFILE`, 41 `ENFILE`.
pub(super) const OF_DESCRIPTORS: &[&str] =
    &["open files", "descriptor", "emfile", "enfile", "error 33", "errno 33", "error 41", "errno 41"];

/// Phrases in messages about a full quota. 19 is `EDQUOT`.
pub(super) const OF_QUOTAS: &[&str] =
    &["quota", "no space", "edquot", "error 19", "errno 19", "writ", "save"];

/// Phrases in messages about standard input that could not be read. 8 is `EBADF`.
pub(super) const OF_INPUT: &[&str] =
    &["input", "stdin", "bad file", "ebadf", "error 8)", "errno 8]", "to read", "not read", "reading"];

/// Phrases in messages about a lack of memory. 48 is `ENOMEM`.
pub(super) const OF_MEMORY: &[&str] = &["memory", "alloc", "enomem", "error 48", "errno 48"];

/// Phrases in messages about a table that could not grow.
pub(super) const OF_TABLES: &[&str] = &["table"];

/// Phrases in messages about missing random bytes.
pub(super) const OF_RANDOMNESS: &[&str] =
    &["random", "entropy", "not implemented", "not supported", "enosys", "error 52", "errno 52"];

/// The most recent output on standard output and standard error; of each write only the beginning.
#[derive(Debug, Default)]
pub(super) struct Said {
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl Said {
    /// Many languages write a message in several pieces, so these are joined.
    pub(super) fn add(&mut self, is_error: bool, message: &[u8]) {
        let message = message.get(..NOTICED_BYTES).unwrap_or(message);
        let kept = if is_error { &mut self.errors } else { &mut self.output };
        if kept.len() + message.len() > 2 * KEPT_BYTES {
            kept.drain(..kept.len().saturating_sub(KEPT_BYTES));
        }
        kept.extend_from_slice(message);
    }

    /// Whether one of `words` appeared on standard error.
    pub(super) fn errors_speak_of(&self, words: &[&str]) -> bool {
        speaks_of(&self.errors, words)
    }

    /// Whether one of `words` appeared on either stream.
    pub(super) fn speaks_of(&self, words: &[&str]) -> bool {
        self.errors_speak_of(words) || speaks_of(&self.output, words)
    }
}

fn speaks_of(said: &[u8], words: &[&str]) -> bool {
    let said = said.to_ascii_lowercase();
    words.iter().any(|words| contains(&said, words.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{KEPT_BYTES, OF_FILES, OF_RANDOMNESS, OF_TIME, Said, says_no_thread};

    fn said(pieces: &[&str]) -> Said {
        let mut said = Said::default();
        pieces.iter().for_each(|piece| said.add(true, piece.as_bytes()));
        said
    }

    #[test]
    fn a_thread_that_could_not_be_started_is_recognised() {
        assert!(says_no_thread(b"failed to spawn thread: Error { kind: Unsupported, .. }"));
        assert!(says_no_thread(
            b"libc++abi: terminating due to uncaught exception: thread constructor failed: x"
        ));
        assert!(says_no_thread(b"RuntimeError: can't start new thread\n"));
        assert!(!says_no_thread(b"failed to spawn process"));
        assert!(!says_no_thread(b""));
    }

    #[test]
    fn that_a_file_could_not_be_opened_is_recognised() {
        for message in [
            "cat: x: No such file or directory\n",
            "x: Capabilities insufficient\n",
            "Error: failed to find a pre-opened file descriptor through which \"x\" could be opened",
            "panic: open /x: Bad file number\n",
            "error: FileNotFound",
            "app: can't open file '/work/a.py': [Errno 44] ENOENT\n",
            "ModuleNotFoundError: No module named 'encodings'",
            "Error: unable to open database \"x\"",
            "called `Result::unwrap()` on an `Err` value: Os { code: 44, kind: NotFound, message: \"No such file or directory\" }",
            "Error: Bad file descriptor (os error 8)",
        ] {
            assert!(said(&[message]).speaks_of(OF_FILES), "{message}");
        }
        for message in
            ["", "panic: boo\n", "assertion failed: left == right", "usage: app FILE\n", "exit code 8\n"]
        {
            assert!(!said(&[message]).speaks_of(OF_FILES), "{message}");
        }
    }

    #[test]
    fn pieces_of_a_message_are_put_together() {
        assert!(said(&["x: ", "No such", " file", " or directory\n"]).speaks_of(OF_FILES));
        assert!(said(&["Sle", "ep: function not im", "plemented"]).errors_speak_of(OF_TIME));
        assert!(said(&["failed to get ran", "dom bytes"]).errors_speak_of(OF_RANDOMNESS));
    }

    #[test]
    fn the_streams_are_told_apart() {
        let mut said = said(&["x: No such"]);
        said.add(false, b" file");
        assert!(!said.speaks_of(OF_FILES));
        said.add(false, b", entropy");
        assert!(said.speaks_of(OF_RANDOMNESS) && !said.errors_speak_of(OF_RANDOMNESS));
    }

    #[test]
    fn what_was_said_long_before_is_forgotten() {
        let mut said = said(&["no such file\n"]);
        for _ in 0..KEPT_BYTES {
            said.add(true, b"a line of something else that goes on\n");
            assert!(said.errors.len() <= 2 * KEPT_BYTES);
        }
        assert!(said.errors.len() >= KEPT_BYTES);
        assert!(!said.speaks_of(OF_FILES));
    }
}
