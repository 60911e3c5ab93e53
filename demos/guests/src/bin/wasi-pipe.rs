//! The parts of a pipeline, selected by the first argument: each reads its input to the end, and ends when its
//! output's reader is gone.

use std::env;
use std::io::{self, BufRead, ErrorKind, Write};

/// Writes the numbers from 1 up, for ever.
fn numbers(output: &mut impl Write) -> io::Result<()> {
    for number in 1u64.. {
        writeln!(output, "{number}")?;
    }
    Ok(())
}

/// Passes the first `count` lines on and leaves the rest.
fn head(output: &mut impl Write, count: usize) -> io::Result<()> {
    for line in io::stdin().lines().take(count) {
        writeln!(output, "{}", line?)?;
    }
    Ok(())
}

/// Replaces each number by its square.
fn squares(output: &mut impl Write) -> io::Result<()> {
    for line in io::stdin().lines() {
        let number: u64 = line?.parse().map_err(io::Error::other)?;
        writeln!(output, "{}", number * number)?;
    }
    Ok(())
}

/// Adds up its input.
fn sum(output: &mut impl Write) -> io::Result<()> {
    let (mut lines, mut total) = (0u64, 0u64);
    for line in io::stdin().lock().lines() {
        total += line?.parse::<u64>().map_err(io::Error::other)?;
        lines += 1;
    }
    writeln!(output, "{lines} lines, {total} in all")
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut output = io::BufWriter::new(io::stdout());
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["numbers"] => numbers(&mut output),
        ["head", count] => head(&mut output, count.parse().map_err(io::Error::other)?),
        ["squares"] => squares(&mut output),
        ["sum"] => sum(&mut output),
        _ => Err(io::Error::other("usage: numbers | head COUNT | squares | sum")),
    };
    match done.and_then(|()| output.flush()) {
        // The reader has enough: the normal end of a part of a pipeline. Buffered output is discarded.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            drop(output.into_parts());
            Ok(())
        }
        done => done,
    }
}
