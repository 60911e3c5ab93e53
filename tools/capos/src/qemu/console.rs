//! The guest's console as we see it, and the line that it comes over.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use capos_schema::manifest_capnp;
use capos_streams::{Terminal, Terminals};
use rustix::termios::tcgetwinsize;

/// The line that carries a guest's console.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ConsoleLine {
    /// A virtio console: fast, with the streams apart
    #[default]
    Virtio,
    /// The serial port, with the streams apart
    FramedSerial,
    /// The serial port as it is: one output, and no terminal sizes
    Serial,
}

impl ConsoleLine {
    /// As the boot package has it.
    pub fn in_package(self) -> manifest_capnp::ConsoleLine {
        match self {
            Self::Virtio => manifest_capnp::ConsoleLine::Virtio,
            Self::FramedSerial => manifest_capnp::ConsoleLine::FramedSerial,
            Self::Serial => manifest_capnp::ConsoleLine::Serial,
        }
    }
}

/// Where a guest's streams come from and go to.
pub struct Console {
    /// Its input.
    pub input: Box<dyn Read + Send>,
    /// Its standard output, or the one output that there is.
    pub output: Box<dyn Write + Send>,
    /// Its standard error.
    pub errors: Box<dyn Write + Send>,
    /// The ends of the streams, now.
    pub terminals: TerminalsNow,
}

/// Finds out what the streams are connected to.
pub type TerminalsNow = std::sync::Arc<dyn Fn() -> Terminals + Send + Sync>;

/// Which streams the guest is to take for terminals, whatever they are.
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
                _ => return Err("not `all`, `none`, or some of `stdin,stdout,stderr`".to_owned()),
            }
        }
        Ok(tty)
    }
}

impl Console {
    /// Our own standard streams; `tty` says which are to be taken for terminals, if not those that are.
    ///
    /// # Errors
    /// When one cannot be opened a second time.
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
    /// Streams that are no terminals; nothing is kept of errors.
    pub fn without_terminal(input: Box<dyn Read + Send>, output: Box<dyn Write + Send>) -> Self {
        let errors = Box::new(io::sink());
        Self { input, output, errors, terminals: std::sync::Arc::new(Terminals::default) }
    }
}

/// The same open file, without a buffer of ours between.
fn again(stream: &impl AsFd) -> io::Result<File> {
    stream.as_fd().try_clone_to_owned().map(File::from)
}

fn terminal(stream: BorrowedFd<'_>, wanted: Option<bool>) -> Terminal {
    let is_terminal = wanted.unwrap_or_else(|| stream.is_terminal());
    // A size that is asked for of something else is unknown.
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
