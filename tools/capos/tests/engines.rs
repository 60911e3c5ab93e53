//! Manifests with compilers and engines that must be refused: each with the path at fault and the reason.

use capos_host::manifest::broken::Broken;
use capos_host::manifest::{check, decode};
use serde_json::{Value, json};

#[track_caller]
fn refused(manifest: Value, wanted: &[&str]) {
    let (decoded, mut problems) = decode::decode_partly(&manifest);
    let more = check::check(&decoded, &Broken::new(&problems));
    problems.extend(more);
    let found: Vec<_> =
        problems.iter().map(|problem| format!("{}: {}", problem.path, problem.reason)).collect();
    assert!(
        found.len() == wanted.len()
            && found.iter().zip(wanted).all(|(found, wanted)| found.starts_with(wanted)),
        "wanted {wanted:#?}, found {found:#?} in {manifest:#}"
    );
}

/// A manifest with one host that has these fields, and one instance with an engine of its own.
fn host(compiler: Value, mut fields: Value, engine: Option<&str>) -> Value {
    let mut instance = json!({"name": "i"});
    if let Some(engine) = engine {
        instance["engine"] = engine.into();
    }
    fields["instances"] = json!([instance]);
    json!({"name": "m", "compiler": compiler, "volumes": {"v": {"ram": "8MiB"}}, "wasm": [fields]})
}

#[test]
fn engines_without_what_they_need() {
    let none = || json!(false);
    refused(host(json!({}), json!({"engine": "compiler"}), None), &[]);
    refused(host(none(), json!({"engine": "auto"}), Some("interpreter")), &[]);
    refused(host(none(), json!({"engine": "auto", "executable": false}), None), &[]);
    let no_compiler = "there is no compiler: `compiler` is `false`; \"auto\" interprets";
    refused(host(none(), json!({"engine": "compiler"}), None), &[&format!("wasm.0.engine: {no_compiler}")]);
    refused(
        host(none(), json!({}), Some("compiler")),
        &[&format!("wasm.0.instances.0.engine: {no_compiler}")],
    );
    refused(
        host(json!({}), json!({"engine": "compiler", "executable": false}), Some("auto")),
        &["wasm.0.engine: its host runs no code: `executable` is `false`"],
    );
    refused(host(json!({}), json!({"engine": "jit"}), None), &["wasm.0.engine: \"jit\" is none of"]);
    refused(
        json!({"name": "m", "compiler": false, "processes": [{"name": "p", "grants": {"c": {"compiler": "code"}}}]}),
        &["processes.0.grants.c: there is no compiler"],
    );
    refused(
        json!({"name": "m", "processes": [{"name": "p", "grants": {"c": {"compiler": "all"}}}]}),
        &["processes.0.grants.c.compiler: \"all\" is neither"],
    );
}

#[test]
fn compilers_that_cannot_be() {
    let refused = |compiler: Value, wanted: &[&str]| refused(host(compiler, json!({}), None), wanted);
    refused(json!(true), &["compiler: must be `false` or have fields"]);
    refused(
        json!({"cache": {"volume": "v", "rights": "rw"}, "key": {"volume": "v", "path": "/k", "rights": "rw"}}),
        &[],
    );
    refused(
        json!({"cache": {"volume": "v", "rights": "r"}}),
        &["compiler.cache.rights: the compiler writes to it"],
    );
    refused(
        json!({"cache": {"volume": "w", "rights": "rw"}}),
        &["compiler.cache.volume: no volume is called \"w\""],
    );
    refused(json!({"key": {"volume": "v", "rights": "rw"}}), &["compiler.key: the key of a cache"]);
    refused(json!({"workers": 17}), &["compiler.workers: "]);
    refused(json!({"worker": {"threads": 2}}), &["compiler.worker.threads: unknown field"]);
}
