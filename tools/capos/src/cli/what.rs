//! Identifies a file that the user wants to run: a manifest, a program, or something else, with the remedy.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::other_kinds::other_kind;
use crate::inspect::{MOST_LOOKED_AT, strange};
use crate::manifest::candidates::meant_beside;

/// A file that can be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// A manifest, a CUE file.
    Manifest,
    /// A WebAssembly module, in binary or text form.
    Program,
}

const TAKES: &str = "`capos run` takes a WebAssembly module (.wasm or .wat) or a manifest (.cue)";

/// Maximum number of manifests of a folder that are listed.
const MOST_LISTED: usize = 4;

/// Source text by its extension: the language, and how to compile or run it.
const SOURCES: [(&[&str], &str, &str); 10] = [
    (&["c"], "C", "clang --target=wasm32-wasi -O2 -o NAME.wasm FILE"),
    (&["cc", "cpp", "cxx"], "C++", "clang++ --target=wasm32-wasi -fno-exceptions -O2 -o NAME.wasm FILE"),
    (&["rs"], "Rust", "rustc --target wasm32-wasip1 -O -o NAME.wasm FILE"),
    (&["go"], "Go", "GOOS=wasip1 GOARCH=wasm go build -o NAME.wasm FILE"),
    (&["zig"], "Zig", "zig build-exe -target wasm32-wasi -O ReleaseSmall FILE"),
    (&["swift"], "Swift", "swiftc -target wasm32-unknown-wasi -o NAME.wasm FILE"),
    (&["py"], "Python", "capos run --dir . python.wasm FILE"),
    (&["rb"], "Ruby", "capos run --dir . ruby.wasm FILE"),
    (&["js", "mjs"], "JavaScript", "capos run --dir . qjs.wasm FILE"),
    (&["lua"], "Lua", "capos run --dir . lua.wasm FILE"),
];

/// Identifies the file by its first bytes, so that a program can have any name; a manifest is recognised by `.cue`, as
/// CUE requires.
pub(super) fn classify(file: &Path) -> Result<What> {
    let shown = file.display();
    if file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        bail!("{shown}: no such file{}", meant_beside(file));
    }
    if file.is_dir() {
        bail!("{shown} is a folder; {TAKES}; use --dir to grant a folder");
    }
    classify_file(file, TAKES)
}

/// Checks that a file is a manifest, the only kind that the command `command` takes.
pub(super) fn only_manifest(file: &Path, command: &str) -> Result<()> {
    let shown = file.display();
    let takes = format!("`capos {command}` takes a manifest (.cue)");
    if file.is_dir() {
        let there = manifests(file);
        let shown_all = there.iter().take(MOST_LISTED).map(|name| file.join(name).display().to_string());
        let names = shown_all.collect::<Vec<_>>().join(", ");
        match there.len() {
            0 => bail!("{shown} is a folder without manifests; {takes}"),
            1..=MOST_LISTED => bail!("{shown} is a folder; {takes}, such as {names}"),
            count => bail!("{shown} is a folder; {takes}, such as {names} or {} more", count - MOST_LISTED),
        }
    }
    if file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        bail!("{shown}: no such file{}", meant_beside(file));
    }
    match classify_file(file, &takes)? {
        What::Manifest => Ok(()),
        What::Program => bail!(
            "{shown} is a WebAssembly program; {takes}. `capos inspect {shown}` shows what it needs, `capos run {shown}` runs it, \
             and `capos run --print-manifest {shown}` prints a manifest for it"
        ),
    }
}

/// Checks that a file is neither a manifest nor another kind that `capos inspect` does not support. Unreadable files
/// are left to their reader.
pub(super) fn only_webassembly(file: &Path) -> Result<()> {
    const TAKES: &str = "`capos inspect` takes a WebAssembly file (.wasm or .wat)";
    let shown = file.display();
    if file.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        bail!("{shown}: no such file{}", meant_beside(file));
    }
    if !file.is_file() {
        return Ok(());
    }
    if let Some(kind) = other_kind(file) {
        bail!("{kind}; {TAKES}");
    }
    if file.extension().is_some_and(|extension| extension == "cue") {
        bail!(
            "{shown} is a manifest; {TAKES}. `capos check {shown}` reports its errors, `capos run {shown}` runs it"
        );
    }
    Ok(())
}

/// Manifests in a folder, sorted by name.
fn manifests(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".cue") && !name.starts_with('.')).collect();
    names.sort_unstable();
    names
}

/// Identifies a file; `takes` states which files the command accepts.
fn classify_file(file: &Path, takes: &str) -> Result<What> {
    let shown = file.display();
    let meta = fs::metadata(file).with_context(|| match file.is_symlink() {
        true => format!("{shown} is a dangling symbolic link"),
        false => shown.to_string(),
    })?;
    if !meta.is_file() {
        // Reading from a pipe would consume its content, or wait for ever.
        bail!("{shown} is not a regular file; {takes}, saved as a file");
    }
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let mut start = Vec::new();
    let opened = File::open(file).with_context(|| shown.to_string())?;
    opened.take(MOST_LOOKED_AT as u64).read_to_end(&mut start).with_context(|| shown.to_string())?;
    match start.as_slice() {
        [] => bail!("{shown} is empty; {takes}"),
        [0, b'a', b's', b'm', _, _, 1, 0] => bail!(
            "{shown} is a WebAssembly component; {takes}. Compilers make a core module for the target wasm32-wasip1 (WASI Preview 1)"
        ),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return Ok(What::Program),
        [0x7f, b'E', b'L', b'F', ..] if extension == "cwasm" => {
            bail!("{shown} was compiled by wasmtime for one processor; {takes}: pass the original module")
        }
        [0x7f, b'E', b'L', b'F', ..] => bail!(
            "{shown} is a native program (ELF); {takes}. A program built for capOS itself is named in a manifest: \
             processes: [{{name: \"NAME\", binary: {{file: \"{shown}\"}}}}]"
        ),
        _ => {}
    }
    if let Some(kind) = other_kind(file) {
        bail!("{kind}; {takes}");
    }
    let is_module = matches!(extension, "" | "wasm") || start.starts_with(b"\0asm");
    if let Some(kind) = strange(&start).filter(|_| is_module) {
        bail!("{shown}: not a WebAssembly module: {kind}");
    }
    match extension {
        "cue" => Ok(What::Manifest),
        "wat" => Ok(What::Program),
        "wasm" => bail!("{shown}: not a WebAssembly module"),
        other => match SOURCES.iter().find(|(extensions, ..)| extensions.contains(&other)) {
            Some((_, language, command)) => {
                bail!("{shown} is source text in {language}; {takes}. {}", advice(command, file))
            }
            None => bail!("{shown} is neither a WebAssembly module nor a manifest; {takes}"),
        },
    }
}

fn advice(command: &str, file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let command = command.replace("NAME", &stem).replace("FILE", &file.to_string_lossy());
    if command.starts_with("capos") {
        format!("An interpreter built for WASI runs it: `{command}`")
    } else {
        format!("Compile it first: `{command}`")
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_cannot_run_comes_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let case = |name: &str, content: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            classify(&file).map_err(|error| format!("{error:#}"))
        };
        assert_eq!(case("x.wasm", b"\0asm\x01\0\0\0"), Ok(What::Program));
        assert_eq!(case("tool", b"\0asm\x01\0\0\0more"), Ok(What::Program));
        assert_eq!(case("x.cue", b"package capos"), Ok(What::Manifest));
        assert_eq!(case("x.wat", b"(module)"), Ok(What::Program));
        for (name, content, wanted) in [
            ("x.c", &b"int main"[..], "clang --target=wasm32-wasi -O2 -o x.wasm"),
            ("x.rs", b"fn main() {}", "wasm32-wasip1"),
            ("x.go", b"package main", "GOOS=wasip1"),
            ("x.py", b"print(1)", "An interpreter"),
            ("notes.txt", b"hello", "neither a WebAssembly module nor a manifest"),
            ("bad.wasm", b"hello", "not a WebAssembly module"),
            ("empty.wasm", b"", "is empty"),
            ("component.wasm", b"\0asm\x0d\0\x01\0", "component"),
            ("native", b"\x7fELF\x02\x01\x01\0", "native program"),
            ("x.cwasm", b"\x7fELF\x02\x01\x01\0", "compiled by wasmtime"),
        ] {
            let error = case(name, content).unwrap_err();
            assert!(error.contains(wanted) && error.contains(name), "{name}: {error}");
        }
        let error = format!("{:#}", classify(folder.path()).unwrap_err());
        assert!(error.contains("is a folder") && error.contains("--dir"), "{error}");
        let error = classify(&folder.path().join("componnet.wasm")).unwrap_err().to_string();
        assert!(
            error.contains("componnet.wasm: no such file; did you mean ")
                && error.ends_with("component.wasm?"),
            "{error}"
        );
    }

    #[test]
    fn inspect_says_which_command_takes_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let said = |name: &str, content: &[u8]| {
            let file = folder.path().join(name);
            fs::write(&file, content).unwrap();
            only_webassembly(&file).map_or_else(|error| format!("{error:#}"), |()| String::new())
        };
        assert_eq!(said("x.wasm", b"\0asm\x01\0\0\0"), "");
        assert!(said("m.cue", b"package capos").contains("m.cue is a manifest; `capos inspect` takes"));
        assert!(said("v.img", b"capOSvol and more").contains("`capos volume ls"));
        let none = folder.path().join("y.wasm");
        assert!(only_webassembly(&none).unwrap_err().to_string().ends_with("x.wasm?"));
        assert!(
            format!("{:#}", classify(&folder.path().join("v.img")).unwrap_err())
                .contains("`capos run` takes")
        );
    }

    #[test]
    fn what_is_no_manifest_comes_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let said = |name: &str| {
            let result = only_manifest(&path(name), "check").map_err(|error| format!("{error:#}"));
            result.map_err(|text| text.replace(&format!("{}/", folder.path().display()), ""))
        };
        fs::create_dir(path("empty")).unwrap();
        assert_eq!(
            said("empty"),
            Err("empty is a folder without manifests; `capos check` takes a manifest (.cue)".to_owned())
        );
        for name in ["one.cue", "two.cue", "three.cue", ".hidden.cue"] {
            fs::write(path(name), "package capos").unwrap();
        }
        assert!(said(".").unwrap_err().ends_with("(.cue), such as ./one.cue, ./three.cue, ./two.cue"));
        for name in ["four.cue", "five.cue"] {
            fs::write(path(name), "package capos").unwrap();
        }
        assert!(said(".").unwrap_err().ends_with(" or 1 more"));
        assert_eq!(said("one.cue"), Ok(()));
        assert_eq!(said("oen.cue"), Err("oen.cue: no such file; did you mean one.cue?".to_owned()));
        assert_eq!(said("elsewhere/x.cue"), Err("elsewhere/x.cue: no such file".to_owned()));
        std::os::unix::fs::symlink("loop.cue", path("loop.cue")).unwrap();
        assert!(said("loop.cue").unwrap_err().starts_with("loop.cue is a dangling symbolic link: "));
        std::os::unix::net::UnixListener::bind(path("socket.cue")).unwrap();
        assert!(
            said("socket.cue")
                .unwrap_err()
                .starts_with("socket.cue is not a regular file; `capos check` takes")
        );
        fs::write(path("app.wasm"), b"\0asm\x01\0\0\0").unwrap();
        let error = said("app.wasm").unwrap_err();
        assert!(error.starts_with("app.wasm is a WebAssembly program; `capos check` takes"), "{error}");
        assert!(error.contains("`capos inspect app.wasm`") && error.contains("--print-manifest"), "{error}");
        fs::write(path("main.rs"), "fn main() {}").unwrap();
        let error = said("main.rs").unwrap_err();
        assert!(error.contains("`capos check` takes") && !error.contains("`capos run` takes"), "{error}");
    }
}
