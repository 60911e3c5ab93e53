//! Keeps a counter and some files in a granted directory, and shows that it cannot reach more. `/data` is writable;
//! `/look` is the same directory, read-only; above them are files that it must not see.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

fn main() -> io::Result<()> {
    let visits = count()?;
    println!("visits: {visits}");
    if visits > 1 {
        println!("from the visit before: {}", fs::read_to_string("/data/letters/third")?);
        fs::remove_dir_all("/data/letters")?;
    }
    write_and_rename()?;
    list("/data")?;
    list("/data/letters")?;
    outside();
    beyond_rights();
    misuse();
    Ok(())
}

/// The number of this visit, which is stored durably in a file that always holds a whole number.
fn count() -> io::Result<u32> {
    let before = match fs::read_to_string("/data/visits") {
        Ok(text) => text.trim().parse().map_err(io::Error::other)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    let mut file = File::create("/data/visits.new")?;
    writeln!(file, "{}", before + 1)?;
    file.sync_all()?;
    fs::rename("/data/visits.new", "/data/visits")?;
    // WASI cannot sync a directory; here, syncing a file syncs all earlier changes of its volume, including the new
    // name.
    file.sync_all()?;
    Ok(before + 1)
}

fn write_and_rename() -> io::Result<()> {
    fs::create_dir_all("/data/letters")?;
    fs::write("/data/letters/first", "abcdef")?;
    let mut file = OpenOptions::new().read(true).write(true).open("/data/letters/first")?;
    file.seek(SeekFrom::Start(2))?;
    file.write_all(b"CD")?;
    file.set_len(5)?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    println!("first: {text}");
    fs::rename("/data/letters/first", "/data/letters/second")?;
    OpenOptions::new().append(true).open("/data/letters/second")?.write_all(b"!")?;
    fs::copy("/data/letters/second", "/data/letters/third")?;
    fs::remove_file("/data/letters/second")?;
    println!("third, only looked at: {}", fs::read_to_string("/look/letters/third")?);
    Ok(())
}

fn list(folder: &str) -> io::Result<()> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = if entry.file_type()?.is_dir() { "directory" } else { "file" };
        lines.push(format!("  {kind} {}", entry.file_name().to_string_lossy()));
    }
    lines.sort();
    println!("{folder}:\n{}", lines.join("\n"));
    Ok(())
}

/// Reports the result of a call that must fail.
fn refused<T>(what: &str, result: io::Result<T>) {
    let mut line = format!("{what}: ");
    // Writing to a string cannot fail.
    let _ = match result.map_err(|error| error.raw_os_error()) {
        Ok(_) => write!(line, "NOT REFUSED"),
        Err(Some(number)) => write!(line, "errno {number}"),
        Err(None) => write!(line, "refused before any system call"),
    };
    println!("{line}");
}

fn outside() {
    refused("read above", fs::read("/data/../secret"));
    refused("list above", fs::read_dir("/data/.."));
    refused("make above", fs::write("/data/letters/../../new", ""));
    refused("rename to above", fs::rename("/data/visits", "/data/../visits"));
    #[expect(
        deprecated,
        reason = "the function that makes a link without saying of which kind, as WASI's does"
    )]
    let link = |target, path| fs::soft_link(target, path);
    refused("link to an absolute path", link("/secret", "/data/letters/absolute"));
    if link("../../secret", "/data/letters/out").is_ok() {
        refused("read through a link that leads out", fs::read("/data/letters/out"));
    }
    if link("loop", "/data/letters/loop").is_ok() {
        refused("read through a link to itself", fs::read("/data/letters/loop"));
    }
    refused("read what no directory was given for", fs::read("/secret"));
}

fn beyond_rights() {
    refused("write where only looking is granted", fs::write("/look/visits", "9"));
    refused("make a file there", fs::write("/look/new", ""));
    refused("make a directory there", fs::create_dir("/look/new"));
    refused("remove there", fs::remove_file("/look/visits"));
    refused("rename from there", fs::rename("/look/visits", "/data/stolen"));
    refused("rename to there", fs::rename("/data/visits", "/look/visits"));
    let looked = File::open("/look/visits");
    refused("write to a file that was opened to read", looked.and_then(|mut file| file.write(b"9")));
}

fn misuse() {
    refused("make a directory twice", fs::create_dir("/data/letters"));
    refused("remove a directory that is not empty", fs::remove_dir("/data/letters"));
    refused("write to a directory", File::create("/data/letters"));
    refused("a file as a directory", fs::read("/data/visits/x"));
    refused("a name that is too long", fs::write(format!("/data/{}", "x".repeat(300)), ""));
}
