//! Messages about unknown imported functions: grouped by module, with advice on how to build without them.

use std::collections::BTreeSet;

use super::module::{Import, Module};
use super::needs::meant;
use super::setting::Setting;

/// Maximum number of functions of one module, and of modules, in a message.
const MOST_NAMED: usize = 6;

/// A family of interfaces: its name, and how to avoid it.
struct Family {
    is_it: fn(module: &str, name: &str) -> bool,
    advice: &'static str,
}

/// Prefix of socket functions.
const SOCKET: &str = "sock_";

/// The first match counts.
const FAMILIES: [Family; 11] = [
    Family {
        is_it: |module, name| module.starts_with("wasi") && name.starts_with(SOCKET),
        advice: "sockets of another engine: programs have no network yet",
    },
    Family {
        is_it: |module, _| matches!(module, "wasi_nn" | "wasi_ephemeral_nn"),
        advice: "machine learning (wasi-nn), which is not supported",
    },
    Family {
        is_it: |module, _| module.starts_with("wasmedge") || module.starts_with("rust_plugin"),
        advice: "WasmEdge's own: build it without WasmEdge's crates or features",
    },
    Family {
        is_it: |module, _| module.starts_with("wasi_ephemeral_"),
        advice: "a proposed WASI interface that is not supported",
    },
    Family {
        is_it: |module, _| module.starts_with("wasix_"),
        advice: "WASIX, Wasmer's own: build it for wasm32-wasip1",
    },
    Family {
        is_it: |module, _| module.starts_with("wasi:"),
        advice: "WASI 0.2, for components: build it for wasm32-wasip1 (WASI Preview 1)",
    },
    Family {
        is_it: |module, name| {
            module == "wbg"
                || module.starts_with("__wbindgen")
                || module.starts_with("wbindgen")
                || name.starts_with("__wbindgen")
                || name.starts_with("__wbg_")
        },
        advice: "JavaScript's, by wasm-bindgen: build it with --target wasm32-wasip1 and without wasm-bindgen",
    },
    Family {
        is_it: |module, _| matches!(module, "gojs" | "go"),
        advice: "JavaScript's, by Go: build it with GOOS=wasip1 GOARCH=wasm",
    },
    Family {
        is_it: |module, name| {
            module == "env"
                && ["emscripten_", "_emscripten_", "__syscall_", "invoke_", "_embind_"]
                    .iter()
                    .any(|start| name.starts_with(start))
        },
        advice: "JavaScript's, by Emscripten: build it with -sSTANDALONE_WASM, or with clang --target=wasm32-wasip1 (wasi-sdk)",
    },
    Family {
        is_it: |module, name| module == "env" && name == "abort",
        advice: "as of AssemblyScript, which builds for WASI with @assemblyscript/wasi-shim",
    },
    Family {
        is_it: |module, _| matches!(module, "wasi_snapshot_preview1" | "wasi_unstable"),
        advice: "not a function of WASI Preview 1",
    },
];

/// The functions of one module, in the order of the import section.
struct Group<'a> {
    module: &'a str,
    names: Vec<&'a str>,
}

impl Group<'_> {
    fn text(&self) -> String {
        let named: Vec<_> = self.names.iter().take(MOST_NAMED).map(|name| format!("{name:?}")).collect();
        let more = match self.names.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let advice = self.advice();
        format!("{}{more} of {:?}{}", named.join(", "), self.module, advice)
    }

    fn advice(&self) -> String {
        if let Some(name) = self.names.iter().find_map(|name| slip(self.module, name)) {
            return format!("; did you mean {name:?}?");
        }
        let families = FAMILIES.iter();
        let mut families =
            families.filter(|family| self.names.iter().any(|name| (family.is_it)(self.module, name)));
        families.next().map_or_else(String::new, |family| format!(" ({})", family.advice))
    }
}

/// The known function that was probably meant by a misspelt name. Sockets that WASI does not have are not misspelt: other
/// engines have them.
fn slip(module: &str, name: &str) -> Option<&'static str> {
    if name.starts_with(SOCKET) { None } else { meant(module, name) }
}

/// The message about `unknown`, the unknown imports of `module`, with the remedy. `is_all` is whether nothing else keeps the
/// module from starting.
pub(super) fn unknown(
    module: &Module,
    unknown: &[&Import],
    setting: Setting,
    is_all: bool,
) -> Option<String> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut seen = BTreeSet::new();
    for import in unknown.iter().filter(|import| seen.insert((&import.module, &import.name))) {
        match groups.iter_mut().find(|group| group.module == import.module) {
            Some(group) => group.names.push(&import.name),
            None => groups.push(Group { module: &import.module, names: vec![&import.name] }),
        }
    }
    let has_slip = |group: &Group<'_>| group.names.iter().any(|name| slip(group.module, name).is_some());
    let advice = match !is_all || groups.iter().any(has_slip) || !module.lacks_only_functions() {
        true => String::new(),
        false => trap_advice(seen.len(), setting),
    };
    let more = match groups.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        1 => "; and those of 1 more module".to_owned(),
        more => format!("; and those of {more} more modules"),
    };
    let word = if seen.len() == 1 { "import" } else { "imports" };
    let texts: Vec<_> = groups.iter().take(MOST_NAMED).map(Group::text).collect();
    (!groups.is_empty()).then(|| format!("unknown {word} {}{more}{advice}", texts.join("; ")))
}

fn trap_advice(count: usize, setting: Setting) -> String {
    let set = match setting {
        Setting::Field => "`unknownImports: \"trap\"`",
        Setting::Option => "--unknown-imports=trap",
    };
    let them = if count == 1 { "it" } else { "them" };
    format!(
        "; if it never calls {them}: {set} lets it start, with imported functions that trap when they are called"
    )
}
