//! The kernel's log: written to a file, with its last lines kept for display, and the exit status read from
//! it.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};

/// Number of lines kept for display.
const KEPT_LINES: usize = 400;
/// A longer line is split, so that a guest cannot make this process hold much.
const LONGEST_LINE: u64 = 4096;
/// Part of the kernel's first line.
const BANNER: &str = "] capOS ";
const STATUS: &str = "capos-exit-status: ";

/// Whether `line` is the kernel's first, possibly after output of firmware or a boot loader on the same line.
pub(crate) fn is_banner(line: &str) -> bool {
    line.contains(BANNER)
}

/// The kernel's log so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: VecDeque<String>,
    status: Option<u8>,
    has_banner: bool,
}

impl Log {
    /// Reads until the log ends and calls `each` for each line. Also returns whether the file is complete: a full disk
    /// is no reason to end a machine.
    pub(super) fn collect(
        from: impl Read,
        mut file: Option<File>,
        mut each: impl FnMut(&str),
    ) -> io::Result<(Self, io::Result<()>)> {
        let mut kept = Ok(());
        let mut log = Self::default();
        let mut from = BufReader::new(from);
        let mut bytes = Vec::new();
        // The rest of a split line is not the kernel's if its beginning was not.
        let mut is_rest = false;
        while from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut bytes)? > 0 {
            let line = String::from_utf8_lossy(&bytes);
            let line = line.trim_end_matches(['\r', '\n']);
            if let Some(to) = &mut file
                && let Err(error) = writeln!(to, "{line}")
            {
                (kept, file) = (Err(error), None);
            }
            each(line);
            log.add(line, is_rest);
            is_rest = !bytes.ends_with(b"\n");
            bytes.clear();
        }
        Ok((log, kept))
    }

    fn add(&mut self, line: &str, is_rest: bool) {
        if self.lines.len() == KEPT_LINES {
            self.lines.pop_front();
        }
        self.has_banner |= is_banner(line);
        if let Some(status) = line.strip_prefix(STATUS).filter(|_| !is_rest) {
            self.status = status.parse().ok();
        }
        self.lines.push_back(line.to_owned());
    }

    /// The status in the last status line. Programs cannot write one: the kernel prefixes their lines.
    pub(super) fn status(&self) -> Option<u8> {
        self.status
    }

    /// Whether the kernel has started.
    pub(super) fn has_banner(&self) -> bool {
        self.has_banner
    }

    /// The last lines, borrowed.
    pub(super) fn tail(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The last lines, owned.
    pub(super) fn into_tail(self) -> Vec<String> {
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_the_last_one_the_kernel_wrote() {
        let text = "[user] capos-exit-status: 3\r\ncapos-exit-status: 9\r\ncapos-exit-status: 42\r\nend";
        let mut seen = Vec::new();
        let (log, _) = Log::collect(text.as_bytes(), None, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!((log.status(), log.has_banner()), (Some(42), false));
        assert_eq!(seen.last().map(String::as_str), Some("end"));
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn statuses_that_are_no_bytes_do_not_count() {
        for text in ["capos-exit-status: 256\n", "capos-exit-status: x\n", "capos-exit-status:1\n", ""] {
            let (log, _) = Log::collect(text.as_bytes(), None, |_| ()).unwrap();
            assert_eq!(log.status(), None, "{text}");
        }
    }

    #[test]
    fn the_rest_of_a_long_line_is_no_line_of_the_kernels() {
        let filler = "x".repeat(LONGEST_LINE as usize - "[user] ".len());
        let text = format!("[user] {filler}capos-exit-status: 0\nend\n");
        let (log, _) = Log::collect(text.as_bytes(), None, |_| ()).unwrap();
        assert_eq!(log.status(), None);
        let text = format!("{text}capos-exit-status: 7\n");
        let (log, _) = Log::collect(text.as_bytes(), None, |_| ()).unwrap();
        assert_eq!(log.status(), Some(7));
    }

    #[test]
    fn that_the_kernel_has_started_is_known_when_its_first_line_is_no_longer_kept() {
        let text = format!("[   0.000000] capOS 0.1.0\n{}", "x\n".repeat(2 * KEPT_LINES));
        let (log, _) = Log::collect(text.as_bytes(), None, |_| ()).unwrap();
        assert!(log.has_banner() && !log.tail().any(is_banner));
    }

    #[test]
    fn only_so_much_is_kept() {
        let text = "x".repeat(10_000_000);
        let (log, _) = Log::collect(text.as_bytes(), None, |_| ()).unwrap();
        assert_eq!(log.tail().count(), KEPT_LINES);
    }

    #[test]
    fn a_log_that_cannot_be_kept_is_still_read() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (log, kept) = Log::collect("one\ncapos-exit-status: 4\n".as_bytes(), Some(full), |_| ()).unwrap();
        assert_eq!(log.status(), Some(4));
        assert_eq!(kept.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
