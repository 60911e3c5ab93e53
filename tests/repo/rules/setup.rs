//! Set-up on incomplete machines: what it installs, and its messages if it may not install.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};

use capos_repo::root;
use tempfile::TempDir;

/// Programs that the scripts call and every machine has.
const TOOLS: [&str; 19] = [
    "bash", "cat", "chmod", "cut", "dirname", "env", "find", "flock", "head", "id", "mkdir", "mv",
    "realpath", "rm", "sed", "sort", "tail", "touch", "uname",
];

/// A machine with only [`TOOLS`], and a checkout with only the scripts.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self(folder);
        fs::create_dir_all(machine.path("bin")).unwrap();
        fs::create_dir_all(machine.path("tree/scripts/setup")).unwrap();
        for part in ["scripts", "scripts/setup"] {
            for entry in root().join(part).read_dir().unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let name = path.file_name().unwrap();
                    fs::copy(&path, machine.path("tree").join(part).join(name)).unwrap();
                }
            }
        }
        for tool in TOOLS {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(tool));
            if let Some(found) = found.iter().find(|path| path.exists()) {
                symlink(found, machine.path("bin").join(tool)).unwrap();
            }
        }
        machine
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// Adds a command, or replaces one.
    fn command(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        if path.exists() {
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, format!("#!/usr/bin/env bash\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs set-up for these groups.
    fn setup(&self, groups: &[&str]) -> (bool, String) {
        let Output { status, stdout, stderr } = Command::new(self.path("bin/bash"))
            .arg("scripts/setup.sh")
            .args(groups)
            .current_dir(self.path("tree"))
            .env_clear()
            .env("PATH", self.path("bin"))
            .output()
            .unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        (status.success(), text)
    }

    fn is_ready(&self, group: &str) -> bool {
        self.path("tree/build/setup").join(group).exists()
    }
}

#[track_caller]
fn says(text: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(text.contains(part), "wanted `{part}` in:\n{text}");
    }
}

/// Everything missing is listed by purpose, including groups that were not requested.
#[test]
fn another_system_is_told_what_is_missing() {
    let machine = Machine::new();
    let (done, text) = machine.setup(&["run"]);
    assert!(!done && !machine.is_ready("run"), "{text}");
    says(
        &text,
        &[
            "missing for booting: make run and the tests that boot (group run):\nsetup:   qemu-system-x86 (command qemu-system-x86_64)",
            "(group build):",
            "gcc (command cc): linking",
            "missing for make iso (group iso):",
            "not a Debian system",
        ],
    );
}

#[test]
fn a_user_without_root_is_told_the_command() {
    let machine = Machine::new();
    machine.command("id", "echo 1000");
    machine.command("apt-get", "touch \"$(dirname \"$0\")/../called\"");
    let (done, text) = machine.setup(&["run"]);
    assert!(!done && !machine.is_ready("run"), "{text}");
    says(
        &text,
        &[
            "not root",
            "sudo apt-get install --no-install-recommends --no-remove qemu-system-x86\n",
            "(group iso)",
        ],
    );
    assert!(!machine.path("called").exists(), "apt-get was called without root");
}

/// Only the missing packages of a group are installed, once, and package lists are fetched once for several
/// groups.
#[test]
fn root_gets_what_a_group_needs_and_no_more() {
    let machine = Machine::new();
    machine.command("id", "echo 0");
    machine.command(
        "apt-get",
        r#"here=$(dirname "$0")
           echo "$*" >>"$here/../calls"
           for word; do case $word in
           qemu-system-x86) cat "$0" >"$here/qemu-system-x86_64"; chmod +x "$here/qemu-system-x86_64" ;;
           esac; done"#,
    );
    let (done, text) = machine.setup(&["run"]);
    assert!(done && machine.is_ready("run") && !machine.is_ready("iso"), "{text}");
    let (done, text) = machine.setup(&["run"]);
    assert!(done && !text.contains("installing"), "{text}");
    let calls = fs::read_to_string(machine.path("calls")).unwrap();
    assert_eq!(calls, "update\ninstall -y --no-install-recommends --no-remove qemu-system-x86\n");
    machine.setup(&["iso"]);
    let calls = fs::read_to_string(machine.path("calls")).unwrap();
    assert_eq!(calls.matches("update").count(), 1, "{calls}");
    assert!(calls.lines().last().unwrap().contains("xorriso"), "{calls}");
}

#[test]
fn a_failing_installation_is_shown_and_leaves_nothing() {
    let machine = Machine::new();
    machine.command("id", "echo 0");
    machine.command("apt-get", "echo 'E: no such thing'; exit 100");
    let (done, text) = machine.setup(&["run"]);
    assert!(!done && !machine.is_ready("run"), "{text}");
    says(&text, &["E: no such thing", "apt-get failed", "qemu-system-x86"]);
}

#[test]
fn an_unknown_group_is_refused() {
    let machine = Machine::new();
    let (done, text) = machine.setup(&["kitchen"]);
    assert!(!done);
    says(&text, &["no group is called kitchen", "build guests c go cue run iso uefi"]);
}
