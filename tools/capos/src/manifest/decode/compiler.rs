//! Decodes the compiler service and the engines of WebAssembly hosts.

use capos_schema::{grants::WellKnownGrant, names};

use super::super::json::{Node, Object};
use super::super::model::*;
use super::{process_limits, storage};

const MOST_WORKERS: u64 = 16;
const MOST_REQUESTS: u64 = 4096;

/// The compiler service: `false` for none.
pub(super) fn compiler(manifest: &Object<'_>) -> Option<Compiler> {
    let Some(node) = manifest.get("compiler") else { return Some(Compiler::default()) };
    if node.is_boolean() {
        if node.boolean() == Some(true) {
            node.problem(
                "must be `false` or have fields; without it there is a compiler where one is needed",
            );
        }
        return None;
    }
    if !node.is_object() {
        return node.wrong("false or {cache: {volume: VOLUME, rights: \"rw\"}}");
    }
    let object = node.object(&[
        "cache",
        "key",
        "limits",
        "worker",
        "workers",
        "requests",
        "moduleSize",
        "codeSize",
        "cacheSize",
        "verbose",
    ]);
    let directory = |field| {
        let node: Node<'_> = object.get(field)?;
        let object = node.object(&["volume", "path", "rights", "create", "quota"]);
        Some(storage::directory(&node, &object))
    };
    let size = |field| object.get(field).and_then(|node| node.size(u32::MAX.into()));
    let count = |field, most| object.get(field).and_then(|node| node.count(most));
    let worker = object.get("worker").map(|node| node.object(&["memory", "time"]));
    let of_worker = |field| worker.as_ref().and_then(|worker| worker.get(field));
    Some(Compiler {
        cache: directory("cache"),
        key: directory("key"),
        limits: object.get("limits").map(|node| process_limits(&node)).unwrap_or_default(),
        worker_bytes: of_worker("memory").and_then(|node| node.size(super::MOST_PROCESS_MEMORY)),
        worker_ns: of_worker("time").and_then(|node| node.duration()),
        workers: count("workers", MOST_WORKERS),
        requests: count("requests", MOST_REQUESTS),
        module_bytes: size("moduleSize"),
        code_bytes: size("codeSize"),
        cache_bytes: object.get("cacheSize").and_then(|node| node.size(u64::MAX)),
        is_verbose: object.flag("verbose"),
        revision: String::new(),
    })
}

/// The export of the compiler service that a grant names.
pub(super) fn export(node: &Node<'_>) -> Option<CompilerExport> {
    let node = node.object(&["compiler"]).need("compiler")?;
    match node.string()? {
        "code" => Some(CompilerExport::Code),
        "status" => Some(CompilerExport::Status),
        other => {
            node.problem(format!("{other:?} is neither \"code\" nor \"status\""));
            None
        }
    }
}

/// The engine of a host or an instance, if it states one.
pub(super) fn engine(object: &Object<'_>) -> Option<Engine> {
    let node = object.get("engine")?;
    match node.string()? {
        "interpreter" => Some(Engine::Interpreter),
        "compiler" => Some(Engine::Compiler),
        "auto" => Some(Engine::Auto),
        other => {
            node.problem(format!("{other:?} is none of \"interpreter\", \"compiler\" and \"auto\""));
            None
        }
    }
}

/// Lets the hosts that need it use the compiler, and packs its programs if anything does.
pub(super) fn provide(manifest: &mut Manifest) {
    for process in &mut manifest.processes {
        if process.wasm_host.is_none() || !process.compiles() {
            continue;
        }
        process.binary.name = names::COMPILED_WASM_HOST.to_owned();
        if process.executable && manifest.compiler.is_some() {
            let source = Source::Compiler(CompilerExport::Code);
            process.grants.push(Grant::inner(names::COMPILER_EXPORT, source));
            // For the hash tables of its runtime.
            let entropy = Source::WellKnown(WellKnownGrant::Entropy);
            if process.grants.iter().all(|grant| grant.source != entropy) {
                process.grants.push(Grant::implied(WellKnownGrant::Entropy));
            }
        }
    }
    if manifest.uses_compiler() {
        let programs = [names::COMPILER_SERVICE, names::COMPILER_WORKER];
        manifest.include.extend(programs.map(Program::of_this_tree));
    }
}
