//! `ls`: lists a volume.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use capos_volume::{Ino, Kind, Last, MAX_PATH_BYTES, Namespace, Volume};

use crate::guest::rule;

/// Entries read from the volume at a time.
const PAGE: usize = 256;

/// Rejects paths longer than any system call accepts, which bounds the recursion in a crafted tree.
pub(crate) fn check_depth(path: &str) -> Result<()> {
    ensure!(path.len() <= MAX_PATH_BYTES, "the volume has a path of more than {MAX_PATH_BYTES} bytes");
    Ok(())
}

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

/// The path relative to the volume's root, since users may write the root as `/`.
pub(crate) fn below_root(path: &str) -> &str {
    match path.trim_start_matches('/') {
        "" => ".",
        path => path,
    }
}

/// Lists `path`, one entry per line: kind, links, size, name. A dangling link is listed itself.
pub(crate) fn list(volume: &mut Volume, path: &str, recursive: bool, out: &mut impl Write) -> Result<()> {
    let root = Namespace::root(volume)?;
    let inside = below_root(path).as_bytes();
    let stat = root.stat(volume, inside, Last::Follow);
    let stat = stat.or_else(|_| root.stat(volume, inside, Last::Stay)).map_err(rule);
    let stat = stat.with_context(|| path.to_owned())?;
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
        check_depth(&path)?;
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
