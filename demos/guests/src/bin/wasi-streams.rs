//! Moves bytes through its standard streams, as its first argument says: `bytes N` writes all byte values N times, `cat`
//! copies its input, and `on` writes until the reader is gone. Standard error reports the result.

use std::env;
use std::io::{self, ErrorKind, Read, Write, stdin, stdout};
use std::process::ExitCode;

/// Bytes copied at once.
const PIECE_BYTES: usize = 64 << 10;
/// Exit statuses for failures.
const FAILED: u8 = 1;
const NOBODY_READS: u8 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments.as_slice() {
        ["bytes", count] => bytes(count.parse().unwrap_or(1)),
        ["cat"] => cat(),
        ["on"] => on(),
        _ => Err(io::Error::other("usage: bytes N | cat | on")),
    };
    match result {
        Ok(count) => {
            eprintln!("wrote {count} bytes");
            ExitCode::SUCCESS
        }
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            eprintln!("nobody reads any more");
            ExitCode::from(NOBODY_READS)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(FAILED)
        }
    }
}

fn bytes(count: u32) -> io::Result<u64> {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    for _ in 0..count {
        stdout().write_all(&all)?;
    }
    stdout().flush()?;
    Ok(u64::from(count) * all.len() as u64)
}

fn cat() -> io::Result<u64> {
    let mut buffer = vec![0; PIECE_BYTES];
    let mut copied = 0;
    loop {
        let count = stdin().read(&mut buffer)?;
        if count == 0 {
            stdout().flush()?;
            return Ok(copied);
        }
        stdout().write_all(&buffer[..count])?;
        copied += count as u64;
    }
}

fn on() -> io::Result<u64> {
    let line = [b'y', b'\n'].repeat(PIECE_BYTES / 2);
    loop {
        stdout().write_all(&line)?;
    }
}
