//! `make new-service`: its output from the template, and the names it refuses. `tests/boot` builds and boots
//! one.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use capos_repo::root;
use tempfile::TempDir;

/// A checkout with the script's inputs. Cargo is replaced by a stub, so nothing is resolved or built.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for part in [
            "services",
            "demos",
            "manifests",
            "tests/expected",
            "tests/manifests",
            "tests/native",
            "storage",
            "scripts",
            "Cargo.lock",
        ] {
            copy(&root().join(part), &tree.path(part));
        }
        fs::create_dir_all(tree.path("build")).unwrap();
        for tool in ["cargo", "cargo-fmt"] {
            fs::create_dir_all(tree.path("bin")).unwrap();
            fs::write(tree.path("bin").join(tool), "#!/bin/sh\n").unwrap();
            fs::set_permissions(tree.path("bin").join(tool), fs::Permissions::from_mode(0o755)).unwrap();
        }
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn new_service(&self, name: &str) -> (bool, String) {
        let output = Command::new("bash")
            .args(["scripts/new-service.sh", name])
            .current_dir(self.0.path())
            .env("CARGO", self.path("bin/cargo"))
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// All files except the scripts' own, with their content.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        list(self.0.path(), &mut files);
        files
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in from.read_dir().unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::copy(from, to).unwrap();
    }
}

fn list(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
}

#[test]
fn a_new_service_is_whole_and_its_own() {
    let tree = Tree::new();
    let before = tree.files();
    assert_eq!(tree.new_service("made-by-a-test"), (true, String::new()));
    let made: BTreeMap<_, _> = tree
        .files()
        .into_iter()
        .filter(|(path, _)| !before.contains_key(path) && !path.starts_with(tree.path("build")))
        .collect();
    let names: Vec<_> = made
        .keys()
        .map(|path| path.strip_prefix(tree.0.path()).unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "manifests/made-by-a-test.cue",
            "services/made-by-a-test/Cargo.toml",
            "services/made-by-a-test/build.rs",
            "services/made-by-a-test/schema/made_by_a_test.capnp",
            "services/made-by-a-test/src/bin/made-by-a-test-client.rs",
            "services/made-by-a-test/src/bin/made-by-a-test-server.rs",
            "services/made-by-a-test/src/lib.rs",
            "services/made-by-a-test/src/made_by_a_test.rs",
            "tests/expected/made-by-a-test.toml",
        ]
    );
    for (path, bytes) in &made {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert!(!text.contains("counter") && !text.contains("template"), "{}:\n{text}", path.display());
    }

    // Each has a unique id that Cap'n Proto accepts: the highest bit is set.
    assert_eq!(tree.new_service("made-by-a-test-too"), (true, String::new()));
    let id = |path: &str| fs::read_to_string(tree.path(path)).unwrap().lines().next().unwrap().to_owned();
    let ids = [
        id("services/made-by-a-test/schema/made_by_a_test.capnp"),
        id("services/made-by-a-test-too/schema/made_by_a_test_too.capnp"),
        id("services/template/schema/counter.capnp"),
    ];
    for id in &ids {
        let digits = id.strip_prefix("@0x").and_then(|id| id.strip_suffix(';')).unwrap();
        assert!(digits.len() == 16 && u64::from_str_radix(digits, 16).unwrap() >> 63 == 1, "{id}");
    }
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn names_that_cannot_be_are_refused() {
    let tree = Tree::new();
    let before = tree.files();
    for (name, reason) in [
        ("", "which name?"),
        ("Keys", "is no name for a service"),
        ("made_by_a_test", "is no name for a service"),
        ("my--keys", "is no name for a service"),
        ("-keys", "is no name for a service"),
        ("2keys", "is no name for a service"),
        ("my-2keys", "is no name for a service"),
        ("../keys", "is no name for a service"),
        ("keys; rm -r .", "is no name for a service"),
        ("a-name-of-more-than-forty-letters-is-too-long", "is no name for a service"),
        ("type", "means something to Rust"),
        ("server", "means something to Rust"),
        ("template", "exists already"),
        ("hello", "exists already"),
        ("wasi-exit", "exists already"),
        ("capnp", "a crate is called capnp already"),
        ("capos-rt", "a crate is called capos-rt already"),
        // These names would collide with existing programs.
        ("counter", "a program is called counter-server already"),
        ("bench", "exists already"),
    ] {
        let (made, stderr) = tree.new_service(name);
        assert!(!made && stderr.contains(reason), "{name}: {stderr}");
    }
    assert_eq!(tree.files(), before);
}

/// A failing run leaves the tree unchanged.
#[test]
fn what_fails_leaves_nothing() {
    let tree = Tree::new();
    fs::write(tree.path("bin/cargo"), "#!/bin/sh\necho broken >>Cargo.lock\necho 'cargo: no' >&2\nexit 1\n")
        .unwrap();
    let before = tree.files();
    let (made, stderr) = tree.new_service("made-by-a-test");
    assert!(!made && stderr.contains("cargo: no"), "{stderr}");
    fs::remove_file(tree.path("build/new-service.log")).unwrap();
    assert_eq!(tree.files(), before);
}
