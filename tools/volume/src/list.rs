//! `ls`: what is in a volume.

use std::io::Write;

use anyhow::{Context, Result};
use capos_volume::{Ino, Kind, Last, Namespace, Volume};

/// Entries taken from the volume at a time.
const PAGE: usize = 256;

/// Calls `visit` for each entry of a directory.
pub(crate) fn each(
    volume: &mut Volume,
    dir: Ino,
    mut visit: impl FnMut(&mut Volume, &str, Ino, Kind) -> Result<()>,
) -> Result<()> {
    let mut cookie = 0;
    loop {
        let page = volume.read_dir(dir, cookie, PAGE)?;
        let Some(last) = page.last() else { return Ok(()) };
        cookie = last.entry.cookie;
        for listed in &page {
            visit(volume, &listed.name, listed.entry.ino, listed.entry.kind)?;
        }
    }
}

/// Lists `path`, one entry a line: kind, links, size, name.
pub(crate) fn list(volume: &mut Volume, path: &str, recursive: bool, out: &mut impl Write) -> Result<()> {
    let root = Namespace::root(volume)?;
    let stat = root.stat(volume, path.as_bytes(), Last::Follow).with_context(|| path.to_owned())?;
    match stat.kind {
        Kind::Directory => list_directory(volume, stat.ino, "", recursive, out),
        kind => line(volume, path, stat.ino, kind, out),
    }
}

fn list_directory(
    volume: &mut Volume,
    dir: Ino,
    prefix: &str,
    recursive: bool,
    out: &mut impl Write,
) -> Result<()> {
    each(volume, dir, |volume, name, ino, kind| {
        let path = format!("{prefix}{name}");
        line(volume, &path, ino, kind, out)?;
        if recursive && kind == Kind::Directory {
            list_directory(volume, ino, &format!("{path}/"), recursive, out)?;
        }
        Ok(())
    })
}

fn line(volume: &mut Volume, path: &str, ino: Ino, kind: Kind, out: &mut impl Write) -> Result<()> {
    let stat = volume.stat(ino).with_context(|| path.to_owned())?;
    let (sign, arrow) = match kind {
        Kind::File => ('-', String::new()),
        Kind::Directory => ('d', String::new()),
        Kind::Symlink => ('l', format!(" -> {}", volume.read_link(ino)?)),
    };
    writeln!(out, "{sign} {:>3} {:>12} {path}{arrow}", stat.links, stat.size)?;
    Ok(())
}
