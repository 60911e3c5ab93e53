//! Reads the programs that a manifest names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use capos_lower::Kept;
use wasmparser_263::{Parser, Payload, TypeRef};

use crate::elf;
use crate::inspect::fit::{self, Misfit};
use crate::inspect::setting::Setting;
use crate::inspect::{Form, MOST_LOOKED_AT, Module, grant_for, module_bytes, refusal, strange};
use crate::manifest::broken::Broken;
use crate::manifest::candidates::{closest, meant_beside};
use crate::manifest::{Manifest, Program, ProgramKind, Way};
use crate::problem::Problem;
use crate::project::Project;

/// The first process, which the kernel starts.
pub(crate) const INIT: &str = "init";
/// The first bytes of a core WebAssembly module: magic and version 1.
const WASM_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// The same for a component.
const WASM_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// A program's bytes, ready for packing.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name in the package.
    pub name: String,
    /// An ELF file reduced to its loaded parts, or a WebAssembly module.
    pub bytes: Vec<u8>,
}

/// The programs of a boot package.
#[derive(Debug)]
pub struct Images {
    /// The kernel's first process.
    pub init: Vec<u8>,
    /// The programs, each once.
    pub programs: Vec<Image>,
}

/// Reads and checks `init` and every program that `manifest` names, and whether its instances can start with theirs;
/// `folder` is the manifest's. Parts that depend on `broken` ones are not checked.
pub fn load(
    manifest: &Manifest,
    project: &Project,
    folder: &Path,
    setting: Setting,
    broken: &Broken<'_>,
) -> Result<Images, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut programs = Vec::new();
    let mut modules = BTreeMap::new();
    for program in manifest.programs().filter(|program| is_read(program, broken)) {
        if !seen.insert((program.kind, program.name.clone())) {
            continue;
        }
        match read(program, project, folder, imports_of(manifest, program), manifest.way_of(program)) {
            Ok(bytes) => {
                if program.kind == ProgramKind::Module {
                    modules.insert(program.name.as_str(), Module::interface(&bytes));
                }
                programs.push(Image { name: program.name.clone(), bytes });
            }
            Err(reason) => problems.push(Problem::new(program.at.clone(), reason)),
        }
    }
    problems.extend(check_instances(manifest, &modules, setting, broken));
    let init = Program { name: INIT.to_owned(), ..Program::default() };
    let init = read(&init, project, folder, Imports::Any, Way::Interpreted)
        .map_err(|reason| problems.push(Problem::new("", reason)));
    match init {
        Ok(init) if problems.is_empty() => Ok(Images { init, programs }),
        _ => Err(problems),
    }
}

fn is_read(program: &Program, broken: &Broken<'_>) -> bool {
    // Without a field of its own a program has the name of its entry.
    let places = ["file", "name"].map(|field| format!("{}.{field}", program.at));
    !program.name.is_empty() && !broken.is_at(&program.at) && !places.iter().any(|place| broken.is_at(place))
}

/// Finds reasons why instances could not start, except those that depend on unreadable fields.
fn check_instances(
    manifest: &Manifest,
    modules: &BTreeMap<&str, Module>,
    setting: Setting,
    broken: &Broken<'_>,
) -> Vec<Problem> {
    let hosts = manifest.processes.iter().filter_map(|process| process.wasm_host.as_ref());
    let mut problems = Vec::new();
    for instance in hosts.flat_map(|host| &host.instances) {
        let Some(module) = modules.get(instance.module.name.as_str()) else { continue };
        for Misfit { field, reason } in fit::misfits(module, instance, setting) {
            let depends: &[&str] = match field.as_str() {
                "" => &["invoke", "unknownImports"],
                "limits.memory" | "limits.tableElements" => &[&field],
                _ => &["invoke", "args"],
            };
            if depends.iter().any(|field| broken.has(&format!("{}.{field}", instance.at))) {
                continue;
            }
            // A user without a manifest cannot use a place in one.
            let reason = match (&instance.module.file, setting) {
                (Some(file), Setting::Option) => format!("{}: {reason}", file.display()),
                _ => reason,
            };
            let at = match field.as_str() {
                "" => instance.module.at.clone(),
                field => format!("{}.{field}", instance.at),
            };
            problems.push(Problem::new(at, reason));
        }
    }
    problems
}

/// The functions that a module may import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Imports {
    /// Only functions that its host knows; otherwise it does not start.
    Known,
    /// Any; unknown here.
    Any,
}

/// The imports allowed by all entries that start `program`.
fn imports_of(manifest: &Manifest, program: &Program) -> Imports {
    let hosts = manifest.processes.iter().filter_map(|process| process.wasm_host.as_ref());
    let instances = hosts.flat_map(|host| &host.instances);
    let mut started = instances.filter(|instance| instance.module.name == program.name);
    // Programs that are only packed are started by others.
    let packed = manifest.include.iter().any(|packed| packed.name == program.name);
    match packed || started.any(|instance| instance.trap_unknown_imports) {
        true => Imports::Any,
        false => Imports::Known,
    }
}

/// Whether a module imports a function that no host knows, and no other unknown items.
fn lacks_a_function(module: &[u8]) -> bool {
    let mut lacks = false;
    for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
        match payload {
            Payload::ImportSection(section) => {
                for import in section.into_imports().map_while(Result::ok) {
                    let TypeRef::Func(_) = import.ty else { return false };
                    lacks |= grant_for(import.module, import.name).is_none();
                }
            }
            Payload::CodeSectionStart { .. } => break,
            _ => {}
        }
    }
    lacks
}

fn read(
    program: &Program,
    project: &Project,
    folder: &Path,
    imports: Imports,
    way: Way,
) -> Result<Vec<u8>, String> {
    let path = locate(program, project, folder);
    let shown = project.shown(&path).display();
    match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(missing(program, &path, project, folder));
        }
        _ => {}
    }
    if program.kind == ProgramKind::Module {
        let bytes = module_bytes(&path).map_err(|error| format!("{error:#}"))?;
        return ready(bytes, imports, way).map_err(|reason| format!("{shown}: {reason}"));
    }
    let bytes = fs::read(&path).map_err(|error| format!("{shown}: {error}"))?;
    elf::loadable_part(&bytes).map_err(|reason| format!("{shown}: {reason}"))
}

/// The error for a missing program.
fn missing(program: &Program, path: &Path, project: &Project, folder: &Path) -> String {
    let shown = project.shown(path).display();
    if program.file.is_some() {
        return format!("missing: there is no {shown}{}", meant_beside(path));
    }
    let name = &program.name;
    let beside = ["", ".wasm", ".wat"].map(|end| format!("{name}{end}"));
    if let Some(file) = beside.iter().find(|file| folder.join(file).is_file()) {
        return format!(
            "no program of this tree is named {name:?}; use `file: {file:?}` for the file beside the manifest"
        );
    }
    let meant = similar(path, name).map(|name| format!(", or did you mean {name:?}?"));
    format!(
        "missing: there is no {shown}; `make build` builds the programs of this tree; use `file:` for one elsewhere{}",
        meant.unwrap_or_default()
    )
}

/// A module as passed to the engine: without what the engine lacks, which for the interpreter are exceptions, and for all are
/// exceptions in their older form and atomic instructions.
fn ready(module: Vec<u8>, imports: Imports, way: Way) -> Result<Vec<u8>, String> {
    if module.starts_with(&WASM_COMPONENT) {
        return Err("a WebAssembly component; only core modules can run".to_owned());
    }
    if !module.starts_with(&WASM_MODULE) {
        let start = module.get(..MOST_LOOKED_AT).unwrap_or(&module);
        return Err(match strange(start) {
            Some(kind) => format!("not a WebAssembly module: {kind}"),
            None => "not a WebAssembly module".to_owned(),
        });
    }
    let refused = |module: &[u8], form| refusal(module, form).map_or(Ok(()), Err);
    // It will be refused for that in any case, and rewriting a large module takes seconds.
    if imports == Imports::Known && lacks_a_function(&module) {
        refused(&module, Form::Original)?;
        return Ok(module);
    }
    let kept = if way == Way::Compiled { Kept::Exceptions } else { Kept::Nothing };
    let lowered = capos_lower::lower(&module, kept).map_err(|reason| format!("{reason:#}"))?;
    let module = lowered.unwrap_or(module);
    refused(&module, if way == Way::Interpreted { Form::Rewritten } else { Form::Compiled })?;
    Ok(module)
}

/// A program beside the missing `path` whose name is similar to `name`.
fn similar(path: &Path, name: &str) -> Option<String> {
    let built = fs::read_dir(path.parent()?).ok()?.flatten().map(|entry| entry.path());
    let built = built.filter(|file| file.extension() == path.extension() && file.is_file());
    let names: Vec<String> = built.filter_map(|file| Some(file.file_stem()?.to_str()?.to_owned())).collect();
    closest(name, &names).map(str::to_owned)
}

fn locate(program: &Program, project: &Project, folder: &Path) -> PathBuf {
    match (&program.file, program.kind) {
        (Some(file), _) => folder.join(file),
        (None, ProgramKind::Native) => project.native(&program.name),
        (None, ProgramKind::Module) => project.module(&program.name),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

    use super::*;
    use crate::manifest::decode::decode;

    #[test]
    fn only_what_can_start_is_rewritten() {
        let folder = tempfile::tempdir().unwrap();
        let project =
            Project::find(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")), None).unwrap();
        let tag = r#"(tag $t) (func (export "_start") (throw $t))"#;
        let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func (param i32)))"#;
        for (imports, more, is_rewritten) in [
            (String::new(), "", true),
            (exit.to_owned(), "", true),
            (format!(r#"{exit} (import "env" "f" (func))"#), "", false),
            (format!(r#"{exit} (import "env" "f" (func))"#), r#", "unknownImports": "trap""#, true),
            // It is refused for another reason then.
            (r#"(import "env" "m" (memory 1 1 shared)) (import "env" "f" (func))"#.to_owned(), "", true),
            // The compiler has exceptions, if nothing else runs the module.
            (String::new(), r#", "engine": "compiler""#, false),
            (String::new(), r#", "engine": "auto""#, true),
            ("(memory 1 1 shared)".to_owned(), r#", "engine": "compiler""#, true),
        ] {
            let module = wat::parse_str(format!("(module {imports} {tag})")).unwrap();
            fs::write(folder.path().join("m.wasm"), &module).unwrap();
            let manifest = format!(
                r#"{{"name": "m", "wasm": [{{"name": "wasm", "instances": [{{"name": "m", "module": {{"file": "m.wasm"}}{more}}}]}}]}}"#
            );
            let manifest = decode(&serde_json::from_str(&manifest).unwrap()).unwrap();
            let program = manifest.programs().find(|program| program.file.is_some()).unwrap();
            let imports = imports_of(&manifest, program);
            let read = read(program, &project, folder.path(), imports, manifest.way_of(program)).unwrap();
            assert_eq!(read != module, is_rewritten, "{more}");
        }
    }
}
