//! `capos run --dir`: which parts of a folder a program gets, and which of its changes are brought back.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::capos::host_command;
use capos_tests::command::{self, Input, Outcome};
use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::trial;

const LIMIT: Duration = Duration::from_secs(300);

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("run-folder-holes-links-and-what-leads-out".to_owned(), holes_and_links),
        trial("run-folder-that-is-full-is-named".to_owned(), full),
        trial("run-folder-too-large-is-refused-at-once".to_owned(), too_large),
        trial("run-folder-comes-back-when-the-machine-is-gone".to_owned(), machine_gone),
    ]
}

/// Functions for the programs here; `$must` exits with the error of a failed call, `$open` creates the file with the
/// name at 0.
const PRELUDE: &str = r#"
    (import "wasi_snapshot_preview1" "path_open"
        (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link"
        (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $set_size (param i32 i64) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_sync" (func $sync (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 3)
    (func $must (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
    (func $open (param $length i32) (result i32)
        (call $must (call $path_open (i32.const 3) (i32.const 0) (i32.const 0) (local.get $length) (i32.const 9)
            (i64.const 0x400052) (i64.const 0) (i32.const 0) (i32.const 512)))
        (i32.load (i32.const 512)))"#;

/// A program in a folder other than the one granted to it.
fn program(place: &TempDir, body: &str) -> Result<Command> {
    let file = place.path().join("program.wat");
    fs::write(&file, format!("(module {PRELUDE} {body})"))?;
    let mut command = host_command();
    command.arg("run").args(["--dir".as_ref(), place.path().join("dir").as_os_str()]).arg(&file);
    Ok(command)
}

fn place() -> Result<TempDir> {
    let place = tempfile::Builder::new().prefix("capos-test-").tempdir().context("a temporary folder")?;
    fs::create_dir(place.path().join("dir"))?;
    Ok(place)
}

fn finish(command: &mut Command) -> Result<(Outcome, String)> {
    let outcome = command::run(command, Input::Bytes(b""), LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr).into_owned();
    Ok((outcome, stderr))
}

fn holes_and_links() -> Result<()> {
    let place = place()?;
    let dir = place.path().join("dir");
    fs::write(place.path().join("outside.txt"), "outside")?;
    fs::write(dir.join("notes.txt"), "notes")?;
    symlink("/etc/passwd", dir.join("mine"))?;
    let _socket = UnixListener::bind(dir.join("socket"))?;
    let mut command = program(
        &place,
        r#"(data (i32.const 0) "big") (data (i32.const 16) "notes.txt") (data (i32.const 32) "../outside.txt")
        (data (i32.const 64) "twin") (data (i32.const 80) "inside")
        (func (export "_start")
            (call $must (call $set_size (call $open (i32.const 3)) (i64.const 0xC0000000)))
            (call $must (call $unlink (i32.const 3) (i32.const 16) (i32.const 9)))
            (call $must (call $symlink (i32.const 32) (i32.const 14) (i32.const 3) (i32.const 16) (i32.const 9)))
            (call $must (call $symlink (i32.const 0) (i32.const 3) (i32.const 3) (i32.const 80) (i32.const 6)))
            (call $must (call $link (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 3)
                (i32.const 3) (i32.const 64) (i32.const 4))))"#,
    )?;
    let (outcome, stderr) = finish(&mut command)?;
    ensure!(outcome.status == Some(0), "status {:?}\n{stderr}", outcome.status);
    ensure!(fs::read_to_string(dir.join("notes.txt"))? == "notes", "{stderr}");
    let meta = fs::metadata(dir.join("big"))?;
    ensure!(meta.len() == 3 << 30 && meta.blocks() * 512 < 1 << 20, "{} blocks", meta.blocks());
    ensure!(meta.nlink() == 2 && fs::metadata(dir.join("twin"))?.ino() == meta.ino());
    ensure!(fs::read_link(dir.join("inside"))? == Path::new("big"));
    ensure!(fs::read_link(dir.join("mine"))? == Path::new("/etc/passwd"));
    let named =
        |what: &str, path: &str| stderr.lines().any(|line| line.contains(what) && line.contains(path));
    ensure!(named("left out", "mine") && named("left out", "socket"), "{stderr}");
    ensure!(named("not brought back", "notes.txt") && named("leads out", "../outside.txt"), "{stderr}");
    Ok(())
}

/// The program exits with the number of `ENOSPC`.
fn full() -> Result<()> {
    let place = place()?;
    let command = program(
        &place,
        r#"(data (i32.const 0) "fill")
        (func (export "_start") (local $file i32)
            (local.set $file (call $open (i32.const 4)))
            (i32.store (i32.const 128) (i32.const 4096)) (i32.store (i32.const 132) (i32.const 131072))
            (loop $more
                (call $must (call $write (local.get $file) (i32.const 128) (i32.const 1) (i32.const 140)))
                (br $more)))"#,
    )?;
    let file = command.get_args().last().map(ToOwned::to_owned).context("arguments")?;
    let mut sized = host_command();
    sized.args(["run", "--dir-size", "4M", "--dir"]).arg(place.path().join("dir")).arg(&file);
    let (outcome, stderr) = finish(&mut sized)?;
    ensure!(outcome.status == Some(51), "status {:?}\n{stderr}", outcome.status);
    let dir = place.path().join("dir");
    let said = stderr.lines().any(|line| {
        line.contains("ran out of space")
            && line.contains(&*dir.to_string_lossy())
            && line.contains("4MiB")
            && line.contains("--dir-size")
    });
    ensure!(said, "{stderr}");
    let bytes = fs::metadata(dir.join("fill"))?.len();
    ensure!(bytes >= 4 << 20, "room for {bytes} bytes only");
    drop(command);
    // The same on a user's volume.
    let image = place.path().join("small.img");
    let mut create = host_command();
    create.args(["volume", "create", "--size", "8M"]).arg(&image);
    let (outcome, stderr) = finish(&mut create)?;
    ensure!(outcome.status == Some(0), "status {:?}\n{stderr}", outcome.status);
    let mut on_volume = host_command();
    on_volume.args(["run", "--volume"]).arg(format!("{}::/", image.display())).arg(file);
    let (outcome, stderr) = finish(&mut on_volume)?;
    ensure!(outcome.status == Some(51), "status {:?}\n{stderr}", outcome.status);
    let said = stderr
        .lines()
        .any(|line| line.contains("small.img was full") && line.contains("capos volume create"));
    ensure!(said, "{stderr}");
    Ok(())
}

fn too_large() -> Result<()> {
    let place = place()?;
    fs::write(place.path().join("dir/large"), vec![1; 5 << 20])?;
    let mut command = program(&place, r#"(func (export "_start"))"#)?;
    let file = command.get_args().last().map(ToOwned::to_owned).context("arguments")?;
    command = host_command();
    command.args(["run", "--dir-size", "4MiB", "--dir"]).arg(place.path().join("dir")).arg(file);
    let (outcome, stderr) = finish(&mut command)?;
    ensure!(outcome.status == Some(1) && stderr.contains("more than --dir-size 4MiB"), "{stderr}");
    Ok(())
}

/// The machine is killed after the program has reported a sync.
fn machine_gone() -> Result<()> {
    let place = place()?;
    let mut command = program(
        &place,
        r#"(data (i32.const 0) "made") (data (i32.const 160) "synced\n")
        (func (export "_start") (local $file i32)
            (local.set $file (call $open (i32.const 4)))
            (i32.store (i32.const 128) (i32.const 160)) (i32.store (i32.const 132) (i32.const 7))
            (call $must (call $write (local.get $file) (i32.const 128) (i32.const 1) (i32.const 140)))
            (call $must (call $sync (local.get $file)))
            (call $must (call $write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 140)))
            (loop $ever (br $ever)))"#,
    )?;
    let mut capos = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut line = String::new();
    let mut stdout = BufReader::new(capos.stdout.take().context("standard output")?);
    stdout.read_line(&mut line)?;
    let children = format!("/proc/{0}/task/{0}/children", capos.id());
    let machine = fs::read_to_string(&children)?.split_whitespace().find_map(|pid| pid.parse().ok());
    let machine = machine.and_then(Pid::from_raw).context("the machine's process")?;
    kill_process(machine, Signal::KILL)?;
    let status = capos.wait()?;
    let mut stderr = String::new();
    capos.stderr.take().context("standard error")?.read_to_string(&mut stderr)?;
    ensure!(line == "synced\n" && status.code() == Some(71), "{line}{status}\n{stderr}");
    ensure!(fs::read_to_string(place.path().join("dir/made"))? == "synced\n", "{stderr}");
    Ok(())
}
