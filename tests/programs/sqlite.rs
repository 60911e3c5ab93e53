//! SQLite's shell with a database on a volume: its commits survive a power cut.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use capos_tests::capos::{LAST_RESORT, host_command};
use capos_tests::command::{self, Input, Kill};
use libtest_mimic::Trial;

use crate::{COMPILED, INTERPRETED, module, trial};

const SECONDS: u64 = 200;

/// Commits a hundred rows, reports that, and then fills the file in one long transaction, which does not end.
const WRITE: &str = "CREATE TABLE notes(id INTEGER PRIMARY KEY, text TEXT, number INTEGER);
CREATE INDEX numbers ON notes(number);
BEGIN;
WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100)
    INSERT INTO notes SELECT n, 'note ' || n, n * n % 37 FROM c;
COMMIT;
SELECT 'committed';
PRAGMA cache_size = 10;
BEGIN;
UPDATE notes SET text = 'changed by what is never committed';
WITH RECURSIVE c(n) AS (SELECT 101 UNION ALL SELECT n + 1 FROM c WHERE n < 100000000)
    INSERT INTO notes SELECT n, 'lost ' || n, n * n % 37 FROM c;
COMMIT;
SELECT 'done';
";

const READ: &str = "SELECT count(*), sum(id), sum(number), max(text) FROM notes;
PRAGMA integrity_check;
INSERT INTO notes VALUES (101, 'after the power cut', 1);
SELECT text FROM notes WHERE id = 101;
";

const READ_AGAIN: &str = "SELECT count(*), max(id) FROM notes;
PRAGMA integrity_check;
";

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("sqlite-finds-its-data-after-a-power-cut", "sqlite", || power_cut(INTERPRETED)),
        trial("compiled-sqlite-finds-its-data-after-a-power-cut", "sqlite", || power_cut(COMPILED)),
    ]
}

fn power_cut(engine: &str) -> Result<()> {
    let folder = tempfile::Builder::new().prefix("capos-test-").tempdir().context("a temporary folder")?;
    let disk = folder.path().join("disk.img");

    let kill = Kill::AfterText {
        text: "committed\n",
        delay: Duration::from_secs(2),
        limit: Duration::from_secs(SECONDS),
    };
    let outcome = command::run_and_kill(&mut shell(engine, &disk, WRITE), Input::Bytes(b""), kill)?;
    let wrote = String::from_utf8_lossy(&outcome.stdout);
    ensure!(
        outcome.timed_out && wrote == "committed\n",
        "ended by itself with {:?}\n{wrote}{}",
        outcome.status,
        String::from_utf8_lossy(&outcome.stderr)
    );
    let number: u32 = (1..=100).map(|n| n * n % 37).sum();
    expect(engine, &disk, READ, &format!("100|5050|{number}|note 99\nok\nafter the power cut\n"))?;
    expect(engine, &disk, READ_AGAIN, "101|101\nok\n")
}

fn expect(engine: &str, disk: &Path, sql: &str, wanted: &str) -> Result<()> {
    let limit = Duration::from_secs(SECONDS + 60);
    let outcome = command::run(&mut shell(engine, disk, sql), Input::Bytes(b""), limit)?;
    let wrote = String::from_utf8_lossy(&outcome.stdout);
    ensure!(
        outcome.status == Some(0) && wrote == wanted,
        "status {:?}\n--- output\n{wrote}--- wanted\n{wanted}--- errors\n{}",
        outcome.status,
        String::from_utf8_lossy(&outcome.stderr)
    );
    Ok(())
}

/// WASI has no file locks, and a volume has only one program.
fn shell(engine: &str, disk: &Path, sql: &str) -> Command {
    let mut command = host_command();
    // The remains of a killed run are removed with the disk's folder.
    command.envs(disk.parent().map(|folder| ("TMPDIR", folder)));
    command.arg("run").arg(engine).arg(module("sqlite"));
    command.args(["--timeout", LAST_RESORT, "--clock", "--wall-clock"]);
    command.arg("--volume").arg(format!("{}::/disk", disk.display()));
    command.args([
        "--entropy",
        "--env",
        "HOME=/disk",
        "--",
        "-batch",
        "-vfs",
        "unix-none",
        "/disk/notes.db",
        sql,
    ]);
    command
}
