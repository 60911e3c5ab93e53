//! `tools/cue`: which imports a manifest may have, and which are refused.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use serde_json::{Value, json};

fn cue(folder: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/tools/bin/cue");
    let cue = env::var_os("CUE").map_or_else(own, PathBuf::from);
    Command::new(cue).args(arguments).current_dir(folder).output().unwrap()
}

/// The value of `value` in a manifest that imports `path`, in a folder that is a module; or the error.
fn import(path: &str, value: &str) -> Result<Value, String> {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    put("cue.mod/module.cue", "module: \"ours.example/m@v0\"\nlanguage: version: \"v0.11.0\"\n");
    put("lib/all.cue", "package names\nending: \"-x\"\n");
    put(
        "lib/names/one.cue",
        "package names\nimport \"strings\"\nserver: strings.ToLower(\"SERVER\") + ending\n",
    );
    put("lib/names/other.cue", "package other\nserver: 1 & 2\n");
    put("round/a/a.cue", "package a\nimport \"ours.example/m/round/b\"\nserver: b.server\n");
    put("round/b/b.cue", "package b\nimport \"ours.example/m/round/a\"\nserver: a.server\n");
    put("cue.mod/pkg/theirs.example/names/one.cue", "package names\nserver: \"pkg\"\n");
    put("cue.mod/usr/theirs.example/names/more.cue", "package names\nmore: server + \"-usr\"\n");
    put("m.cue", &format!("package capos\nimport \"{path}\"\nfound: {value}\n"));
    let output = cue(folder.path(), ["export", "--all-errors", "--out", "json", "m.cue"]);
    if output.status.success() {
        Ok(serde_json::from_slice::<Value>(&output.stdout).unwrap()["found"].take())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

#[test]
fn packages_of_cue_and_of_the_module_are_found() {
    for (path, value, wanted) in [
        ("strings", "strings.ToUpper(\"a\")", json!("A")),
        ("list", "list.Range(0, 3, 1)", json!([0, 1, 2])),
        ("encoding/json", "json.Unmarshal(\"[true, null]\")", json!([true, null])),
        ("encoding/yaml", "yaml.Unmarshal(\"a: 1\")", json!({"a": 1})),
        ("ours.example/m/lib/names", "names.server", json!("server-x")),
        ("ours.example/m/lib/names@v0", "names.server", json!("server-x")),
        ("ours.example/m/lib/names:names", "names.server", json!("server-x")),
        ("theirs.example/names", "names.more", json!("pkg-usr")),
    ] {
        assert_eq!(import(path, value), Ok(wanted), "{path}");
    }
}

#[test]
fn what_cannot_be_imported_is_named() {
    for (path, name, wanted) in [
        ("nothing", "nothing", "builtin package \"nothing\" undefined"),
        ("ours.example/m/nothing", "nothing", "the module has no such folder"),
        ("ours.example/m/lib/names:neither", "neither", "with package name \"neither\""),
        ("ours.example/m/lib/names:other", "other", "conflicting values"),
        ("ours.example/m/round/a", "a", "package import cycle not allowed"),
        ("registry.example/m/names", "names", "set CUE to the path of the official cue command"),
        ("./lib/names", "names", "relative import paths not allowed"),
    ] {
        let said = import(path, &format!("{name}.server")).unwrap_err();
        assert!(said.contains(wanted) && said.contains(".cue:2:"), "{path}: {said}");
    }
}

#[test]
fn anything_else_is_refused() {
    for arguments in [&["vet", "m.cue"][..], &["export", "m.cue"], &[]] {
        let output = cue(Path::new("."), arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.starts_with("usage: cue export"), "{said}");
    }
}
