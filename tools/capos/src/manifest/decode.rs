//! Decodes evaluated JSON into a typed [`Manifest`]: field names, types and ranges.

mod compiler;
mod grants;
mod storage;

use std::path::Path;

use capos_schema::{methods, names};
use capos_volume_tool::show_size;
use serde_json::Value;

use super::json::{Node, Object, Sink};
use super::model::*;
use crate::problem::Problem;
use crate::qemu::ConsoleLine;
use storage::Direction;

/// Maximum memory limit of a process: the package counts 4 KiB frames in 32 bits.
const MOST_PROCESS_MEMORY: u64 = (u32::MAX as u64) << 12;
const MOST_CAPABILITY_SLOTS: u64 = super::convert::MOST_CAPABILITY_SLOTS as u64;
const MOST_THREADS: u64 = 1_024;
const MOST_PRIORITY: u64 = 31;
const MOST_NAME_BYTES: usize = 63;
/// Maximum size of a 32-bit linear memory.
pub const MOST_LINEAR_MEMORY: u64 = 1 << 32;
/// Minimum stack: enough to enter a program's first functions.
pub const LEAST_STACK: u64 = 4 << 10;
/// Maximum size of an instance's stack.
pub const MOST_STACK: u64 = 64 << 20;

const PROCESS_FIELDS: [&str; 13] = [
    "name",
    "binary",
    "args",
    "env",
    "grants",
    "limits",
    "executable",
    "exports",
    "expectFault",
    "restart",
    "group",
    "service",
    "flush",
];
const INSTANCE_FIELDS: [&str; 15] = [
    "name",
    "module",
    "args",
    "argv0",
    "env",
    "grants",
    "preopens",
    "stdin",
    "stdout",
    "stderr",
    "unknownImports",
    "invoke",
    "restart",
    "engine",
    "limits",
];

/// Decodes a manifest; on failure returns all problems found.
///
/// Defaults are those of `manifests/schema.cue`, so a manifest that was evaluated without the definitions
/// gets the same meaning or the same errors.
pub fn decode(json: &Value) -> Result<Manifest, Vec<Problem>> {
    let (manifest, problems) = decode_partly(json);
    if problems.is_empty() { Ok(manifest) } else { Err(problems) }
}

/// Decodes the readable parts of a manifest, and returns the problems with the rest. An entry with an unreadable name has
/// an empty one.
pub fn decode_partly(json: &Value) -> (Manifest, Vec<Problem>) {
    let sink = Sink::default();
    let manifest = manifest(&Node::root(json, &sink));
    (manifest, sink.into_problems())
}

fn manifest(node: &Node<'_>) -> Manifest {
    let object = node.object(&Manifest::FIELDS);
    let mut processes: Vec<Process> = object.items("processes").iter().map(process).collect();
    processes.extend(object.items("wasm").iter().map(wasm_host));
    let mut include = Vec::new();
    if let Some(node) = object.get("include") {
        let object = node.object(&["binaries", "modules"]);
        include.extend(object.items("binaries").iter().map(|node| program(node, ProgramKind::Native)));
        include.extend(object.items("modules").iter().map(|node| program(node, ProgramKind::Module)));
    }
    let mut manifest = Manifest {
        name: needed_name(&object),
        volumes: storage::volumes(&object),
        processes,
        exit_from: object.get("exitFrom").and_then(|node| node.string()).map(str::to_owned),
        include,
        compiler: compiler::compiler(&object),
        console: console(&object),
    };
    compiler::provide(&mut manifest);
    if manifest.disks().next().is_some() {
        manifest.include.push(Program::of_this_tree(names::DISK_DRIVER));
    }
    if !manifest.volumes.is_empty() {
        manifest.include.push(Program::of_this_tree(names::VOLUME_SERVER));
    }
    manifest
}

/// Only the plain serial port can be selected; otherwise the line depends on the machine.
fn console(object: &Object<'_>) -> Option<ConsoleLine> {
    let node = object.get("console")?;
    match node.string()? {
        "serial" => return Some(ConsoleLine::Serial),
        "host" => {}
        _ => node.problem("must be \"host\" or \"serial\""),
    }
    None
}

fn process(node: &Node<'_>) -> Process {
    let object = node.object(&PROCESS_FIELDS);
    let name = needed_name(&object);
    Process {
        at: node.path().to_owned(),
        binary: program_or(object.get("binary"), ProgramKind::Native, &name, node.path()),
        name,
        args: texts(&object, "args"),
        env: variables(&object),
        grants: grants::grants(&object),
        limits: object.get("limits").map(|node| process_limits(&node)).unwrap_or_default(),
        executable: object.flag("executable"),
        exports: grants::exports(&object),
        expect_fault: object.flag("expectFault"),
        restart: storage::restart(&object),
        group: object.get("group").as_ref().and_then(self::name),
        is_service: object.flag("service"),
        flush: object.get("flush").as_ref().and_then(flush),
        wasm_host: None,
    }
}

fn flush(node: &Node<'_>) -> Option<Flush> {
    if node.is_string() {
        return Some(Flush { export: name(node)?, timeout_ns: None });
    }
    if !node.is_object() {
        return node.wrong("the name of an export or {export: NAME, timeout: DURATION}");
    }
    let object = node.object(&["export", "timeout"]);
    let timeout_ns = object.get("timeout").and_then(|node| node.duration());
    Some(Flush { export: object.need("export").as_ref().and_then(name)?, timeout_ns })
}

fn process_limits(node: &Node<'_>) -> ProcessLimits {
    let object = node.object(&["memory", "capabilitySlots", "threads", "priority"]);
    let count = |field, most| object.get(field).and_then(|node| node.count(most));
    ProcessLimits {
        memory_bytes: object.get("memory").and_then(|node| node.size(MOST_PROCESS_MEMORY)),
        capability_slots: count("capabilitySlots", MOST_CAPABILITY_SLOTS)
            .and_then(|count| count.try_into().ok()),
        threads: count("threads", MOST_THREADS).and_then(|count| count.try_into().ok()),
        priority: count("priority", MOST_PRIORITY).and_then(|count| count.try_into().ok()),
    }
}

fn wasm_host(node: &Node<'_>) -> Process {
    let fields = ["name", "instances", "sequence", "exports", "engine", "executable", "limits", "restart"];
    let object = node.object(&fields);
    let mut host = WasmHost {
        instances: object.items("instances").iter().map(instance).collect(),
        sequence: object.flag("sequence"),
        exports: object.flag("exports"),
        engine: compiler::engine(&object).unwrap_or(Engine::Interpreter),
    };
    let engines = host.instances.iter().filter_map(|instance| instance.engine);
    let compiles = std::iter::once(host.engine).chain(engines).any(|engine| engine != Engine::Interpreter);
    Process {
        at: node.path().to_owned(),
        name: object.get("name").map_or(Some("wasm".to_owned()), |node| name(&node)).unwrap_or_default(),
        binary: Program {
            at: node.path().to_owned(),
            kind: ProgramKind::Native,
            name: names::WASM_HOST.to_owned(),
            file: None,
        },
        grants: host.collect_grants(),
        limits: object.get("limits").map(|node| process_limits(&node)).unwrap_or_default(),
        restart: storage::restart(&object),
        executable: compiles && object.get("executable").and_then(|node| node.boolean()).unwrap_or(true),
        exports: host.exports.then(wasm_host_export).into_iter().collect(),
        wasm_host: Some(host),
        ..Process::default()
    }
}

fn wasm_host_export() -> Export {
    Export { name: names::WASM_HOST_EXPORT.to_owned(), interface: methods::wasm_host::INTERFACE_ID }
}

fn instance(node: &Node<'_>) -> Instance {
    let object = node.object(&INSTANCE_FIELDS);
    let name = needed_name(&object);
    Instance {
        at: node.path().to_owned(),
        module: program_or(object.get("module"), ProgramKind::Module, &name, node.path()),
        name,
        args: texts(&object, "args"),
        argv0: object.get("argv0").and_then(|node| text(&node)),
        env: variables(&object),
        grants: grants::grants(&object),
        preopens: storage::preopens(&object),
        stdin: storage::stdio(&object, "stdin", Direction::In),
        stdout: storage::stdio(&object, "stdout", Direction::Out),
        stderr: storage::stdio(&object, "stderr", Direction::Out),
        trap_unknown_imports: object.get("unknownImports").is_some_and(|node| traps(&node)),
        invoke: object.get("invoke").and_then(|node| invoked(&node)),
        restart: storage::restart(&object),
        engine: compiler::engine(&object),
        limits: object.get("limits").map(|node| instance_limits(&node)).unwrap_or_default(),
    }
}

/// The name of an export; must not be empty, because that means none.
fn invoked(node: &Node<'_>) -> Option<String> {
    let name = node.string()?;
    if name.is_empty() {
        node.problem("expected the name of an exported function");
    }
    Some(name.to_owned())
}

fn traps(node: &Node<'_>) -> bool {
    let policy = node.string();
    if let Some(other) = policy.filter(|policy| !matches!(*policy, "deny" | "trap")) {
        node.problem(format!("{other:?} is neither \"deny\" nor \"trap\""));
    }
    policy == Some("trap")
}

fn instance_limits(node: &Node<'_>) -> InstanceLimits {
    let object =
        node.object(&["memory", "fuel", "wallTime", "outputBytes", "tableElements", "stack", "descriptors"]);
    let count = |field, most| object.get(field).and_then(|node| node.count(most));
    let count32 = |field| count(field, u32::MAX.into()).and_then(|count| count.try_into().ok());
    InstanceLimits {
        memory_bytes: object.get("memory").and_then(|node| node.size(MOST_LINEAR_MEMORY)),
        fuel: count("fuel", u64::MAX),
        wall_time_ns: object.get("wallTime").and_then(|node| node.duration()),
        output_bytes: object.get("outputBytes").and_then(|node| node.size(u64::MAX)),
        table_elements: count32("tableElements"),
        stack_bytes: object.get("stack").and_then(|node| stack(&node)),
        descriptors: count32("descriptors"),
    }
}

fn stack(node: &Node<'_>) -> Option<u64> {
    let bytes = node.size(MOST_STACK)?;
    if bytes < LEAST_STACK {
        node.problem(format!("no program starts with less than {}", show_size(LEAST_STACK)));
        return None;
    }
    Some(bytes)
}

fn program_or(node: Option<Node<'_>>, kind: ProgramKind, default: &str, at: &str) -> Program {
    node.map(|node| program(&node, kind)).unwrap_or_else(|| Program {
        at: at.to_owned(),
        kind,
        name: default.to_owned(),
        file: None,
    })
}

fn program(node: &Node<'_>, kind: ProgramKind) -> Program {
    let mut program = Program { at: node.path().to_owned(), kind, ..Program::default() };
    if node.is_string() {
        program.name = name(node).unwrap_or_default();
        return program;
    }
    if !node.is_object() {
        return node.wrong("the name of a program or {file: PATH}").unwrap_or(program);
    }
    let object = node.object(&["file"]);
    let Some(file_node) = object.need("file") else { return program };
    let Some(file) = file_node.string() else { return program };
    let path = std::path::PathBuf::from(file);
    if file.contains('\0') || path.file_stem().is_none() {
        file_node.problem("not the path of a file");
    }
    program.name = name_of(&path);
    program.file = Some(path);
    program
}

/// The package name of a program given by its path: the file name without its extension, with invalid
/// characters replaced by `-`.
pub fn name_of(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let plain = stem.chars().map(|c| if is_plain(c) { c } else { '-' });
    let name: String = plain.skip_while(|c| !c.is_ascii_alphanumeric()).take(MOST_NAME_BYTES).collect();
    if name.is_empty() { "program".to_owned() } else { name }
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn needed_name(object: &Object<'_>) -> String {
    object.need("name").as_ref().and_then(name).unwrap_or_default()
}

fn name(node: &Node<'_>) -> Option<String> {
    let text = node.string()?;
    check_name(node, text);
    Some(text.to_owned())
}

/// Names appear in paths, logs and `host/instance` pairs, so only plain characters are allowed.
fn check_name(node: &Node<'_>, name: &str) {
    let starts_plain = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if !starts_plain || !name.chars().all(is_plain) || name.len() > MOST_NAME_BYTES {
        let wanted = "names are letters, digits, '.', '_' and '-', begin with a letter or digit, and have at most 63 characters";
        node.problem(format!("invalid name {name:?}: {wanted}"));
    }
}

fn texts(object: &Object<'_>, field: &str) -> Vec<String> {
    object.items(field).iter().filter_map(text).collect()
}

fn text(node: &Node<'_>) -> Option<String> {
    let text = node.string()?;
    if text.contains('\0') {
        node.problem("contains a NUL character");
    }
    Some(text.to_owned())
}

fn variables(object: &Object<'_>) -> Vec<(String, String)> {
    let entries = object.get("env").map(|node| node.entries("NAME: VALUE")).unwrap_or_default();
    let variables = entries.iter().map(|(name, node)| {
        if name.is_empty() || name.contains(['=', '\0']) {
            node.problem(format!("invalid environment variable name {name:?}"));
        }
        ((*name).to_owned(), text(node).unwrap_or_default())
    });
    variables.collect()
}
