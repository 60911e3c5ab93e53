//! Unwritable output: commands report it, except that a closed pipe is not an error.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn capos(words: &[&str], stdout: impl Into<Stdio>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_capos"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    command.arg("--root").arg(root).args(words).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped());
    command.spawn().unwrap().wait_with_output().unwrap()
}

#[test]
fn a_full_disk_is_an_error_and_a_closed_pipe_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("x.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0").unwrap();
    let (module, image) = (module.to_str().unwrap(), folder.path().join("x.img"));
    let image = image.to_str().unwrap();
    assert!(capos(&["volume", "create", image], Stdio::null()).status.success());
    assert!(capos(&["volume", "import", image, module], Stdio::null()).status.success());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/ipc.cue");
    for words in [
        &["inspect", module][..],
        &["inspect", "--json", module],
        &["run", "--print-manifest", module],
        &["needs", manifest],
        &["volume", "ls", image],
        &["volume", "check", image],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = capos(words, full);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {stderr}");
        assert!(stderr.contains("No space left") && stderr.starts_with("capos: "), "{words:?}: {stderr}");
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let output = capos(words, writer);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
