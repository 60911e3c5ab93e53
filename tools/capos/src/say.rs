//! Messages of the command itself. A closed or full stream never ends it, since a folder may still have to be brought
//! back.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};

use anyhow::{Context as _, Result};

/// Writes `capos: ` and `line` to standard error.
pub(crate) fn say(line: impl Display) {
    say_as_it_is(format_args!("capos: {}", without_codes(&line.to_string())));
}

/// The text without ` (os error N)` behind what the system says of an error, which has said it already.
fn without_codes(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((code, rest)) if code.bytes().all(|byte| byte.is_ascii_digit()) => plain.push_str(rest),
            _ => plain.extend([" (os error ", part]),
        }
    }
    plain
}

/// Writes `line` to standard error. If that is closed, the exit status still tells.
pub(crate) fn say_as_it_is(line: impl Display) {
    drop(writeln!(io::stderr().lock(), "{line}"));
}

/// Writes `text` to standard output. A closed pipe is not an error.
///
/// # Errors
/// If it cannot be written for another reason.
pub(crate) fn print(text: impl Display) -> Result<()> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}
