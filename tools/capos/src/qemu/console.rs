//! The guest's console on the host, and its transport.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use capos_streams::{Terminal, Terminals};
use rustix::termios::tcgetwinsize;

/// The transport of a guest's console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ConsoleLine {
    /// A virtio console: fast, with separate streams
    #[default]
    Virtio,
    /// The serial port, with separate streams
    FramedSerial,
    /// The plain serial port: one output, no terminal sizes
    Serial,
}

/// Where a guest's streams come from and go to.
pub struct Console {
    /// Its input.
    pub input: Box<dyn Read + Send>,
    /// Its standard output, or its only output.
    pub output: Box<dyn Write + Send>,
    /// Its standard error.
    pub errors: Box<dyn Write + Send>,
    /// Queries the kinds of the streams.
    pub terminals: TerminalsNow,
}

/// A function that queries the kinds of the streams.
pub type TerminalsNow = std::sync::Arc<dyn Fn() -> Terminals + Send + Sync>;

/// Overrides which streams are terminals for the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tty {
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
}

impl std::str::FromStr for Tty {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut tty = Self::default();
        match text {
            "none" => return Ok(tty),
            "all" => return Ok(Self { stdin: true, stdout: true, stderr: true }),
            _ => {}
        }
        for name in text.split(',') {
            match name {
                "stdin" => tty.stdin = true,
                "stdout" => tty.stdout = true,
                "stderr" => tty.stderr = true,
                _ => return Err("expected `all`, `none`, or some of `stdin,stdout,stderr`".to_owned()),
            }
        }
        Ok(tty)
    }
}

impl Console {
    /// Our own standard streams; `tty` overrides which are terminals.
    ///
    /// # Errors
    /// If one cannot be reopened.
    pub fn of_process(tty: Option<Tty>) -> io::Result<Self> {
        Ok(Self {
            input: Box::new(again(&io::stdin())?),
            output: Box::new(again(&io::stdout())?),
            errors: Box::new(again(&io::stderr())?),
            terminals: std::sync::Arc::new(move || Terminals {
                input: terminal(io::stdin().as_fd(), tty.map(|tty| tty.stdin)),
                output: terminal(io::stdout().as_fd(), tty.map(|tty| tty.stdout)),
                errors: terminal(io::stderr().as_fd(), tty.map(|tty| tty.stderr)),
            }),
        })
    }
}

impl Console {
    /// Streams that are not terminals; standard error is discarded.
    pub fn without_terminal(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>) -> Self {
        let errors = Box::new(io::sink());
        Self { input, output, errors, terminals: std::sync::Arc::new(Terminals::default) }
    }
}

/// The same open file, bypassing our buffer.
fn again(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

fn terminal(stream: BorrowedFd<'_>, wanted: Option<bool>) -> Terminal {
    let is_terminal = wanted.unwrap_or_else(|| stream.is_terminal());
    // The size of anything else is unknown.
    let size = tcgetwinsize(stream).ok().filter(|_| is_terminal);
    let (columns, rows) = size.map_or((0, 0), |size| (size.ws_col, size.ws_row));
    Terminal { is_terminal, columns, rows }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_named() {
        let parse = |text: &str| text.parse::<Tty>().ok().map(|tty| [tty.stdin, tty.stdout, tty.stderr]);
        assert_eq!(parse("none"), Some([false; 3]));
        assert_eq!(parse("all"), Some([true; 3]));
        assert_eq!(parse("stderr,stdin"), Some([true, false, true]));
        for wrong in ["", "stdin,", "stdin,all", "0", "STDIN", "stdin stdout"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
