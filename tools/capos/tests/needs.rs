//! The output of `capos needs` for the manifests of the tree.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;

use capos_host::image;
use capos_host::manifest::ProgramKind::{self, Module, Native};
use capos_host::project::Project;

#[track_caller]
fn needs(manifest: &str, wanted: &[(ProgramKind, &str)]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let project = Project::find(Some(&root), None).unwrap();
    let found = image::needs(&project, &project.manifest(manifest), None).unwrap();
    let found: Vec<_> = found.iter().map(|(kind, name)| (*kind, name.as_str())).collect();
    assert_eq!(found, wanted);
}

#[test]
fn a_module_needs_its_host() {
    needs(
        "wasi-hello-rust",
        &[(Native, "capos-console"), (Native, "capos-wasm"), (Native, "init"), (Module, "wasi-hello-rust")],
    );
}

#[test]
fn native_programs_need_no_host() {
    needs("native-hello", &[(Native, "capos-console"), (Native, "init"), (Native, "native-hello")]);
    needs(
        "template",
        &[
            (Native, "capos-console"),
            (Native, "counter-client"),
            (Native, "counter-server"),
            (Native, "init"),
        ],
    );
}

#[test]
fn a_disk_volume_needs_its_server_and_driver() {
    needs(
        "fs-disk",
        &[
            (Native, "capos-console"),
            (Native, "fs"),
            (Native, "fs-workload"),
            (Native, "init"),
            (Native, "virtio-blk"),
        ],
    );
}

/// A thousand instances of one module are one line, and names of instances need not be names of programs.
#[test]
fn names_come_once() {
    needs(
        "wasi-thousand",
        &[
            (Native, "capos-console"),
            (Native, "capos-wasm"),
            (Native, "init"),
            (Module, "wasi-nap"),
            (Module, "wasi-pipe"),
        ],
    );
}
