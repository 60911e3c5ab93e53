//! Reading the programs that a manifest names.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wasmparser_263::{Parser, Payload, TypeRef};

use crate::elf;
use crate::inspect::grant_for;
use crate::manifest::candidates::closest;
use crate::manifest::{Manifest, Program, ProgramKind};
use crate::problem::Problem;
use crate::project::Project;

/// The first process, which the kernel starts.
pub(crate) const INIT: &str = "init";
/// The first bytes of a core WebAssembly module: magic and version 1.
const WASM_MODULE: [u8; 8] = *b"\0asm\x01\0\0\0";
/// The same for a component.
const WASM_COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// A program's bytes, ready to pack.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name in the package.
    pub name: String,
    /// An ELF file cut down to what is loaded, or a WebAssembly module.
    pub bytes: Vec<u8>,
}

/// Everything that goes into a package beside the manifest.
#[derive(Debug)]
pub struct Images {
    /// The kernel's first process.
    pub init: Vec<u8>,
    /// The programs, each once.
    pub programs: Vec<Image>,
}

/// Reads and checks `init` and every program that `manifest` names; `folder` is the manifest's.
pub fn load(manifest: &Manifest, project: &Project, folder: &Path) -> Result<Images, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let mut programs = Vec::new();
    for program in manifest.programs().filter(|program| seen.insert(program.name.clone())) {
        match read(program, project, folder, imports_of(manifest, program)) {
            Ok(bytes) => programs.push(Image { name: program.name.clone(), bytes }),
            Err(reason) => problems.push(Problem::new(program.at.clone(), reason)),
        }
    }
    let init = Program { name: INIT.to_owned(), ..Program::default() };
    let init =
        read(&init, project, folder, Imports::Any).map_err(|reason| problems.push(Problem::new("", reason)));
    match init {
        Ok(init) if problems.is_empty() => Ok(Images { init, programs }),
        _ => Err(problems),
    }
}

/// Which functions a module may import.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Imports {
    /// Only those that its host knows: it does not start with others.
    Known,
    /// Any, as far as is known here.
    Any,
}

/// What everything that starts `program` allows it.
fn imports_of(manifest: &Manifest, program: &Program) -> Imports {
    let hosts = manifest.processes.iter().filter_map(|process| process.wasm_host.as_ref());
    let instances = hosts.flat_map(|host| &host.instances);
    let mut started = instances.filter(|instance| instance.module.name == program.name);
    // Others start what is only packed.
    let packed = manifest.include.iter().any(|packed| packed.name == program.name);
    match packed || started.any(|instance| instance.trap_unknown_imports) {
        true => Imports::Any,
        false => Imports::Known,
    }
}

/// Whether a module imports a function that no host knows, and nothing but functions.
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

fn read(program: &Program, project: &Project, folder: &Path, imports: Imports) -> Result<Vec<u8>, String> {
    let path = locate(program, project, folder);
    let shown = project.shown(&path).display();
    let bytes = fs::read(&path).map_err(|error| match error.kind() {
        ErrorKind::NotFound if program.file.is_some() => format!("missing: there is no {shown}"),
        ErrorKind::NotFound => {
            let meant = similar(&path, &program.name).map(|name| format!(", or did you mean {name:?}?"));
            format!(
                "missing: {shown} has not been built; `make build` builds it{}",
                meant.unwrap_or_default()
            )
        }
        _ => format!("{shown}: {error}"),
    })?;
    // As WebAssembly text, like wasmtime.
    let is_text = program.kind == ProgramKind::Module && path.extension().is_some_and(|name| name == "wat");
    let bytes = if is_text {
        wat::parse_bytes(&bytes).map_err(|error| format!("{shown}: {error}"))?.into_owned()
    } else {
        bytes
    };
    match program.kind {
        ProgramKind::Native => elf::loadable_part(&bytes).map_err(|reason| format!("{shown}: {reason}")),
        // It will be refused for that, whatever else it has: rewriting a large one takes seconds.
        ProgramKind::Module
            if bytes.starts_with(&WASM_MODULE) && imports == Imports::Known && lacks_a_function(&bytes) =>
        {
            Ok(bytes)
        }
        ProgramKind::Module if bytes.starts_with(&WASM_MODULE) => {
            // Exceptions and atomic instructions, which the engine does not have.
            let lowered = capos_lower::lower(&bytes).map_err(|reason| format!("{shown}: {reason:#}"))?;
            Ok(lowered.unwrap_or(bytes))
        }
        ProgramKind::Module if bytes.starts_with(&WASM_COMPONENT) => {
            Err(format!("{shown}: a WebAssembly component; only core modules can run"))
        }
        ProgramKind::Module => Err(format!("{shown}: not a WebAssembly module")),
    }
}

/// A program beside `path`, which does not exist, whose name is much like `name`.
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
            // What it is refused for is another thing then.
            (r#"(import "env" "m" (memory 1 1 shared)) (import "env" "f" (func))"#.to_owned(), "", true),
        ] {
            let module = wat::parse_str(format!("(module {imports} {tag})")).unwrap();
            fs::write(folder.path().join("m.wasm"), &module).unwrap();
            let manifest = format!(
                r#"{{"name": "m", "wasm": [{{"name": "wasm", "instances": [{{"name": "m", "module": {{"file": "m.wasm"}}{more}}}]}}]}}"#
            );
            let manifest = decode(&serde_json::from_str(&manifest).unwrap()).unwrap();
            let program = manifest.programs().find(|program| program.file.is_some()).unwrap();
            let read = read(program, &project, folder.path(), imports_of(&manifest, program)).unwrap();
            assert_eq!(read != module, is_rewritten, "{imports}{more}");
        }
    }
}
