//! Creates, renames, reads back, lists and removes files in its own folder below `/data`, which other programs use as
//! well, and prints the number of files created. Arguments: the folder's name, and the number of rounds.

use std::env;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

/// The content of a round's file: different in each folder and round.
fn content(folder: &str, round: usize) -> String {
    format!("{folder}, round {round}\n").repeat(200)
}

/// One file: written in two pieces, renamed, read back, its predecessor removed.
fn round(folder: &str, path: &str, round: usize) -> io::Result<()> {
    let wanted = content(folder, round);
    let (first, rest) = wanted.as_bytes().split_at(wanted.len() / 3);
    let (draft, kept) = (format!("{path}/draft"), format!("{path}/{round}"));
    let mut file = File::options().create_new(true).read(true).write(true).open(&draft)?;
    file.seek(SeekFrom::Start(first.len() as u64))?;
    file.write_all(rest)?;
    file.rewind()?;
    file.write_all(first)?;
    fs::rename(&draft, &kept)?;
    let mut found = String::new();
    File::open(&kept)?.read_to_string(&mut found)?;
    check(found == wanted, "a file holds something else than was written")?;
    if round > 0 {
        fs::remove_file(format!("{path}/{}", round - 1))?;
    }
    check(fs::read_dir(path)?.count() == 1, "the folder holds what it should not")
}

fn check(holds: bool, otherwise: &str) -> io::Result<()> {
    if holds { Ok(()) } else { Err(io::Error::other(otherwise)) }
}

fn main() -> io::Result<()> {
    let mut arguments = env::args().skip(1);
    let usage = || io::Error::other("usage: wasi-files FOLDER ROUNDS");
    let folder = arguments.next().ok_or_else(usage)?;
    let rounds: usize = arguments.next().ok_or_else(usage)?.parse().map_err(io::Error::other)?;
    let path = format!("/data/{folder}");
    fs::create_dir(&path)?;
    for number in 0..rounds {
        round(&folder, &path, number)?;
    }
    println!("{rounds}");
    Ok(())
}
