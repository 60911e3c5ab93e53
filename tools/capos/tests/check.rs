//! `capos check` on whole files: CUE, our own checks and the programs together, through the user's interface.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs;
use std::path::Path;

use capos_host::image;
use capos_host::project::Project;
use capos_host::qemu::ConsoleLine;

fn project() -> Project {
    Project::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")), None).unwrap()
}

/// The error for a manifest with this text, with `bad.cue` for its path.
fn complaint(text: &str, files: &[(&str, &[u8])]) -> String {
    complaint_of(text, files, |manifest| image::check(&project(), manifest, ConsoleLine::Serial).unwrap_err())
}

/// The same, from the checks before a run.
fn complaint_to_run(text: &str, files: &[(&str, &[u8])]) -> String {
    let check = |manifest: &Path| image::check_to_run(&project(), manifest, ConsoleLine::Serial, &[], None);
    complaint_of(text, files, |manifest| check(manifest).unwrap_err())
}

fn complaint_of(text: &str, files: &[(&str, &[u8])], check: impl Fn(&Path) -> anyhow::Error) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let manifest = folder.path().join("bad.cue");
    fs::write(&manifest, format!("package capos\n\nname: \"bad\"\n{text}\n")).unwrap();
    let error = check(&manifest).to_string();
    error.replace(&folder.path().display().to_string(), "")
}

#[test]
fn each_problem_is_one_line() {
    let text = "processes: [{
    name: \"a\"
    grants: {consle: true, timer: \"x\"}
    limits: memory: \"64MB\"
}, {name: \"b\", bogus: 1}]";
    let found = complaint(text, &[]);
    let found: Vec<_> = found.lines().filter(|line| !line.contains("`make build` builds")).collect();
    let wanted = [
        "/bad.cue:6:22: processes.0.grants.consle: unknown grant; did you mean \"console\"? `true` grants one of console, log,",
        "/bad.cue:6:35: processes.0.grants.timer: expected true or a source: {from: PROCESS}",
        "/bad.cue:7:21: processes.0.limits.memory: \"64MB\" has no known unit;",
        "/bad.cue:8:23: processes.1.bogus: unknown field; known here: name, binary,",
    ];
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (line, wanted) in found.iter().zip(wanted) {
        assert!(line.starts_with(wanted), "wanted {wanted}, found {line}");
    }
}

/// An unreadable field hides only problems that depend on it.
#[test]
fn problems_of_all_kinds_are_found_at_once() {
    let text = "exitFrom: \"nobody\"
volumes: {
    broken: {disk: \"a.img\", size: \"4 MB!\"}
    gone: disk: \"b.img\"
    site: files: \"no-folder\"
}
processes: [{name: \"a\", binary: file: \"none\", bogus: 1, grants: {x: {volume: \"broken\", rights: \"r\"}, y: {volume: \"gnoe\", rights: \"r\"}}}]
wasm: [{instances: [{name: \"i\", module: file: \"text\", limits: fuel: \"much\"}]}]";
    let found = complaint_to_run(text, &[("text", b"text")]);
    let wanted = [
        (4, "exitFrom: no process or instance is called \"nobody\"; there are: a, wasm, wasm/i"),
        (6, "volumes.broken.size: \"4 MB!\" has no known unit"),
        (7, "volumes.gone.disk: there is no /b.img; a `size` in the manifest creates it"),
        (8, "volumes.site.files: there is no folder /no-folder"),
        (10, "processes.0.binary: missing: there is no /none"),
        (10, "processes.0.bogus: unknown field"),
        (10, "processes.0.grants.y.volume: no volume is called \"gnoe\"; did you mean \"gone\"?"),
        (11, "wasm.0.instances.0.module: /text: not a WebAssembly module"),
        (11, "wasm.0.instances.0.limits.fuel: expected a number, found a string"),
    ];
    let found: Vec<_> = found.lines().filter(|line| !line.contains("`make build` builds")).collect();
    assert_eq!(found.len(), wanted.len(), "{found:#?}");
    for (line, (number, wanted)) in found.iter().zip(wanted) {
        let placed = line.starts_with(&format!("/bad.cue:{number}:"));
        assert!(placed && line.contains(wanted), "wanted line {number}: {wanted}, found {line}");
    }
}

/// Thousands of errors are usually one error in a loop, and take no longer than reading the manifest.
#[test]
fn problems_beyond_a_screenful_are_counted() {
    let entries: Vec<String> = (0..500)
        .map(|number| format!("{{name: \"i{number}\", module: file: \"m.wasm\", bogus: 1}}"))
        .collect();
    let text = format!("wasm: [{{instances: [\n{}]}}]", entries.join(",\n"));
    let found = complaint(&text, &[("m.wasm", b"\0asm\x01\0\0\0")]);
    assert_eq!(found.lines().count(), 101, "{found}");
    for (line, number) in found.lines().zip(5..105) {
        assert!(line.starts_with(&format!("/bad.cue:{number}:")), "{line}");
    }
    assert!(found.ends_with("and 400 more problems"), "{found}");
}

/// CUE's errors do not hide others.
#[test]
fn what_cue_finds_comes_with_the_rest() {
    let found = complaint(
        "exitFrom: \"nobody\"\nwasm: [{instances: [{name: \"i\", module: file: \"m.wasm\", limits: wallTime: \"0s\"}]}]",
        &[("m.wasm", b"\0asm\x01\0\0\0")],
    );
    for wanted in ["exitFrom: no process or instance", "limits.wallTime: "] {
        assert!(found.contains(wanted), "{wanted}: {found}");
    }
}

#[test]
fn a_name_that_is_taken_comes_with_the_place_of_the_other() {
    let text = "processes: [{name: \"a\", binary: file: \"x\"},
    {name: \"a\", binary: file: \"x\"}]
wasm: [{instances: [{name: \"i\", module: file: \"m.wasm\"},
    {name: \"i\", module: file: \"m.wasm\", preopens: [
    {guest: \"/d\", volume: \"v\", rights: \"r\"},
    {guest: \"/d/\", volume: \"v\", rights: \"r\"}]}]}]
volumes: {v: disk: \"v.img\"
    w: disk: \"v.img\"}";
    let found = complaint(text, &[("m.wasm", b"\0asm\x01\0\0\0")]);
    for wanted in [
        "/bad.cue:5:12: processes.1.name: another process is called \"a\" already, at line 4:20",
        "/bad.cue:7:12: wasm.0.instances.1.name: another instance of \"wasm\" already has the name \"i\", at line 6:28",
        "/bad.cue:9:13: wasm.0.instances.1.preopens.1.guest: another preopen of this instance is at \"/d/\" already, at line 8:13",
        "/bad.cue:11:14: volumes.w.disk: v.img is also the image of another disk; only readOnly disks can share an image, at line 10:20",
    ] {
        assert!(found.lines().any(|line| line == wanted), "{wanted} is not in\n{found}");
    }
}

#[test]
fn what_cue_finds_has_its_line() {
    for (text, wanted) in [
        ("processes: [", "/bad.cue:4:14: expected ']'"),
        ("processes: [{name: \"a\", args: [x]}]", "/bad.cue:4:32: "),
        ("processes: [{name: \"a\", args: [x]}]", "reference \"x\" not found"),
        ("exitFrom: \"a\" & \"b\"", "/bad.cue:4:11: exitFrom: conflicting values \"b\" and \"a\""),
    ] {
        let found = complaint(text, &[]);
        assert!(found.contains(wanted), "wanted {wanted}, found {found}");
    }
}

#[test]
fn definitions_can_be_used_by_name() {
    let found = complaint("processes: [#Process & {name: \"a\", bogus: 1}]", &[]);
    assert!(found.starts_with("/bad.cue:4:36: processes.0.bogus: field not allowed"), "{found}");
}

/// Packed folders are on the host, so that a missing path is found before the boot.
#[test]
fn packed_volumes_have_what_is_granted_of_them() {
    let text = "volumes: v: files: \".\"
wasm: [{instances: [{name: \"i\", module: file: \"m.wasm\", stdin: file: {volume: \"v\", path: \"none.txt\"}, preopens: [
    {guest: \"/a\", volume: \"v\", path: \"nowhere\", rights: \"r\"},
    {guest: \"/b\", volume: \"v\", path: \"m.wasm\", rights: \"r\"},
    {guest: \"/c\", volume: \"v\", path: \"new\", rights: \"rw\", create: true},
    {guest: \"/d\", volume: \"v\", rights: \"r\"},
]}]}]";
    let found = complaint(text, &[("m.wasm", b"\0asm\x01\0\0\0")]);
    let wanted = [
        "/bad.cue:5:85: wasm.0.instances.0.stdin.file.path: the volume is packed without it: there is no /./none.txt",
        "/bad.cue:6:32: wasm.0.instances.0.preopens.0.path: the volume is packed without it: there is no /./nowhere",
        "/bad.cue:7:32: wasm.0.instances.0.preopens.1.path: /./m.wasm is a file, and a folder is granted",
        "/bad.cue:8:32: wasm.0.instances.0.preopens.2.path: the volume is packed without it: there is no /./new",
        "/bad.cue:8:45: wasm.0.instances.0.preopens.2.rights: the volume \"v\" cannot be changed, because its files are packed (`files`); `rights: \"r\"` lets it be read",
        "/bad.cue:8:59: wasm.0.instances.0.preopens.2.create: the volume \"v\" cannot be changed, because its files are packed (`files`); leave `create` out",
    ];
    for wanted in wanted {
        let message = wanted.split_once(": ").unwrap().1;
        assert!(found.lines().any(|line| line.ends_with(message)), "{wanted} is not in\n{found}");
    }
    assert_eq!(found.lines().filter(|line| line.contains(": wasm.")).count(), 6, "{found}");
}

#[test]
fn a_manifest_without_end_is_given_up() {
    let doublings: Vec<String> =
        (1..36).map(|n| format!("_a{n}: \"\\(_a{})\\(_a{})\"", n - 1, n - 1)).collect();
    let text = format!(
        "_a0: \"0123456789abcdef\"\n{}\nprocesses: [{{name: \"p\", args: [_a35]}}]",
        doublings.join("\n")
    );
    let found = complaint(&text, &[]);
    assert!(found.ends_with("bad.cue: evaluating it takes more than 2GiB of memory"), "{found}");
}

#[test]
fn missing_and_useless_programs() {
    let text = "processes: [{name: \"no-such-program\"}, {name: \"b\", binary: file: \"text\"}]
wasm: [{instances: [
    {name: \"no-such-module\"},
    {name: \"c\", module: file: \"no.wasm\"},
    {name: \"d\", module: file: \"component.wasm\"},
    {name: \"e\", module: file: \"text\"},
]}]";
    let found = complaint(text, &[("text", b"text"), ("component.wasm", b"\0asm\x0d\0\x01\0")]);
    for wanted in [
        "/bad.cue:4:13: processes.0.binary: missing: there is no target/x86_64-capos-hermit/release/no-such-program; `make build`",
        "/bad.cue:4:60: processes.1.binary: /text: not an ELF64 file",
        "/bad.cue:6:5: wasm.0.instances.0.module: missing: there is no build/wasm/no-such-module.wasm; `make build`",
        "/bad.cue:7:25: wasm.0.instances.1.module: missing: there is no /no.wasm",
        "/bad.cue:8:25: wasm.0.instances.2.module: /component.wasm: a WebAssembly component",
        "/bad.cue:9:25: wasm.0.instances.3.module: two programs would have the name \"text\" in the package; rename one of the files: this is the module text, the other is the native program text, at line 4:60",
    ] {
        assert!(found.lines().any(|line| line.starts_with(wanted)), "{wanted} is not in\n{found}");
    }
}

#[test]
fn names_that_lead_nowhere_come_with_candidates() {
    let text = "volumes: scratch: ram: \"4MiB\"
processes: [{name: \"keys\", binary: file: \"x\", exports: [\"vault\"]}, {name: \"b\", binary: file: \"x\", grants: {
    a: {from: \"kees\", export: \"vault\"}, b: {from: \"keys\", export: \"valut\"}
    home: {volume: \"scrach\", rights: \"r\"}
}}]
wasm: [{instances: [{name: \"upper\", module: file: \"m.wasm\"}]}]
exitFrom: \"upper\"";
    let found = complaint(text, &[("m.wasm", b"\0asm\x01\0\0\0")]);
    for wanted in [
        "/bad.cue:6:8: processes.1.grants.a: no process is called \"kees\"; did you mean \"keys\"?",
        "process \"keys\" does not export \"valut\"; did you mean \"vault\"?",
        "/bad.cue:7:20: processes.1.grants.home.volume: no volume is called \"scrach\"; did you mean \"scratch\"?",
        "/bad.cue:10:11: exitFrom: no process or instance is called \"upper\"; did you mean \"wasm/upper\"?",
    ] {
        assert!(found.lines().any(|line| line.contains(wanted)), "{wanted} is not in\n{found}");
    }
}

#[test]
fn a_manifest_has_its_package_clause() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.cue");
    for (text, wanted) in [
        ("// Mine.\nname: \"m\"\n", "m.cue:2:1: no package clause"),
        ("package mine\nname: \"m\"\n", "m.cue:1:1: the package is \"mine\""),
    ] {
        fs::write(&manifest, text).unwrap();
        let error = image::check(&project(), &manifest, ConsoleLine::Serial).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

/// Suggestions for file names work like those for other names.
#[test]
fn files_that_are_not_there_come_with_candidates() {
    let text = "volumes: {a: disk: \"dsk.img\"
    b: files: \"stie\"}
wasm: [{instances: [{name: \"i\", module: file: \"greting.wasm\"},
    {name: \"j\", module: \"greeting\"},
    {name: \"k\", module: \"greeting.wasm\"}]}]";
    let module = b"\0asm\x01\0\0\0";
    let found = complaint_to_run(text, &[("greeting.wasm", module), ("disk.img", b""), ("site", b"")]);
    for wanted in [
        "volumes.a.disk: there is no /dsk.img; did you mean /disk.img? A `size`",
        "volumes.b.files: there is no folder /stie; did you mean /site?",
        "wasm.0.instances.0.module: missing: there is no /greting.wasm; did you mean /greeting.wasm?",
        "wasm.0.instances.1.module: no program of this tree is named \"greeting\"; use `file: \"greeting.wasm\"` for the file beside",
        "no program of this tree is named \"greeting.wasm\"; use `file: \"greeting.wasm\"` for the file beside",
    ] {
        assert!(found.contains(wanted), "{wanted} is not in\n{found}");
    }
}

#[test]
fn a_manifest_is_text() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("m.cue");
    fs::write(&manifest, b"package capos\n\nname: \"\xff\"\n").unwrap();
    let error = image::check(&project(), &manifest, ConsoleLine::Serial).unwrap_err().to_string();
    assert!(error.ends_with("m.cue:3:1: not UTF-8 text, as manifests are"), "{error}");
}

#[test]
fn disks_that_a_run_could_not_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["folder", "another"] {
        fs::create_dir(path(name)).unwrap();
    }
    for name in ["text", "raw"] {
        fs::write(path(name), "text").unwrap();
    }
    fs::write(path("empty"), "").unwrap();
    capos_volume_tool::create(&path("good"), 4 << 20).unwrap();
    // Everything but the magic number, in both copies.
    capos_volume_tool::create(&path("damaged"), 4 << 20).unwrap();
    let mut damaged = fs::read(path("damaged")).unwrap();
    damaged[8192..].fill(0);
    fs::write(path("damaged"), damaged).unwrap();
    let manifest = path("m.cue");
    let text = "package capos
name: \"m\"
volumes: {
    missing: disk: \"no.img\"
    made: {disk: \"new.img\", size: \"4MiB\"}
    filled: {disk: \"other.img\", size: \"4MiB\", from: \"nowhere\"}
    folder: disk: \"folder\"
    text: disk: \"text\"
    empty: disk: \"empty\"
    good: disk: \"good\"
    damaged: disk: \"damaged\"
}
processes: [{name: \"p\", binary: file: \"p\", grants: {
    folder: disk: \"another\"
    text: {disk: \"raw\", readOnly: true}
}}]
";
    fs::write(&manifest, text).unwrap();
    let error =
        image::check_to_run(&project(), &manifest, ConsoleLine::Serial, &[], None).unwrap_err().to_string();
    let error = error.replace(&format!("{}/", folder.path().display()), "");
    let mut found = error.lines().filter(|line| line.contains("volumes.") || line.contains(".grants."));
    for wanted in [
        "m.cue:4:20: volumes.missing.disk: there is no no.img; a `size` in the manifest creates it",
        "m.cue:6:20: volumes.filled.disk: there is no folder nowhere to fill the image from",
        "m.cue:7:19: volumes.folder.disk: folder is a folder, but a disk needs an image file; use `files`",
        "m.cue:8:17: volumes.text.disk: text is not a capOS volume; `capos volume create` makes",
        "m.cue:9:18: volumes.empty.disk: empty is not a capOS volume",
        "m.cue:11:20: volumes.damaged.disk: the volume in damaged cannot be opened: ",
        "m.cue:14:19: processes.0.grants.folder.disk: another is a folder, but a disk needs an image file",
    ] {
        let line = found.next().unwrap_or_default();
        assert!(line.starts_with(wanted), "wanted {wanted}, found {line} in\n{error}");
    }
    assert_eq!(found.next(), None);
}

/// The run uses another file instead of the one that the manifest names, so that one is checked.
#[test]
fn a_disk_on_the_command_line_is_checked_in_place_of_the_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let (manifest, other) = (folder.path().join("m.cue"), folder.path().join("other"));
    fs::write(&manifest, "package capos\nname: \"m\"\nvolumes: a: disk: \"no.img\"\n").unwrap();
    let disks = [("a".to_owned(), other.clone())];
    let check = || {
        let error =
            image::check_to_run(&project(), &manifest, ConsoleLine::Serial, &disks, None).unwrap_err();
        error.to_string().lines().filter(|line| line.contains("volumes.")).collect::<String>()
    };
    fs::write(&other, "text").unwrap();
    assert!(check().contains("m.cue:3:19: volumes.a.disk: --disk a: "), "{}", check());
    fs::remove_file(&other).unwrap();
    capos_volume_tool::create(&other, 4 << 20).unwrap();
    assert_eq!(check(), "");
}

#[test]
fn a_missing_manifest_is_named() {
    let error =
        image::check(&project(), Path::new("/no/such.cue"), ConsoleLine::Serial).unwrap_err().to_string();
    assert_eq!(error, "/no/such.cue: no such file");
}
