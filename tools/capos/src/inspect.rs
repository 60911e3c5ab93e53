//! `capos inspect`: the imports, exports and contents of a WebAssembly file, and what it needs to run.

mod bounds;
mod call;
mod component;
mod file;
pub mod fit;
mod json;
mod module;
mod needs;
mod proposals;
mod sections;
pub mod setting;
mod strange;
mod text;
mod unknown;
mod valid;

use std::path::Path;

use anyhow::{Context as _, Result};
use wasmparser_263::{Encoding, Parser, Payload, Validator, WasmFeatures};

pub use call::{BadCall, check_call};
pub use component::Component;
pub(crate) use file::MOST_MODULE_BYTES;
pub use file::module_bytes;
pub use module::{Export, Import, Kind, Module};
pub use needs::{Grant, grant_for, meant, type_of};
pub use proposals::{Proposal, State};
use sections::cut_off;
pub use sections::{Section, Sections};
pub(crate) use strange::{MOST_LOOKED_AT, strange};
pub use valid::{Form, refusal};

/// The report on a file.
#[derive(Debug)]
pub struct Inspected {
    /// Its size in binary form.
    pub bytes: u64,
    /// The reason why it is invalid, if it is; the rest is then as far as it could be read.
    pub invalid: Option<String>,
    /// Its interface and contents.
    pub content: Content,
    /// Its sections by size.
    pub sections: Sections,
}

/// The kinds of WebAssembly files.
#[derive(Debug)]
pub enum Content {
    /// A core module, which can be run.
    Module(Box<Module>),
    /// A component.
    Component(Component),
}

/// Reads a file, in binary or text form.
///
/// # Errors
/// If it cannot be read, or is not WebAssembly.
pub fn inspect_file(path: &Path) -> Result<Inspected> {
    inspect(&module_bytes(path)?).with_context(|| path.display().to_string())
}

/// Inspects the bytes of a file.
///
/// # Errors
/// If they are not WebAssembly.
pub fn inspect(bytes: &[u8]) -> Result<Inspected> {
    let first = Parser::new(0).parse_all(bytes).next();
    let encoding = match first {
        Some(Ok(Payload::Version { encoding, .. })) => encoding,
        _ => anyhow::bail!("not a WebAssembly file: no magic number of a module or component"),
    };
    let content = match encoding {
        Encoding::Module => Content::Module(Box::new(Module::read(bytes))),
        Encoding::Component => Content::Component(Component::read(bytes)),
    };
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    Ok(Inspected {
        bytes: bytes.len() as u64,
        invalid: validated.err().map(|error| {
            let cut = (encoding == Encoding::Module).then(|| cut_off(bytes)).flatten();
            cut.unwrap_or_else(|| error.to_string())
        }),
        content,
        sections: Sections::read(bytes),
    })
}

impl Inspected {
    /// Whether all of its unknown imports are functions, which can be replaced by traps.
    pub fn lacks_only_functions(&self) -> bool {
        match &self.content {
            Content::Module(module) => module.lacks_only_functions(),
            Content::Component(_) => false,
        }
    }

    /// The report as text, in columns. `name` is the file's name.
    pub fn text(&self, name: &str) -> String {
        text::render(self, name)
    }

    /// The report as JSON.
    pub fn json(&self) -> serde_json::Value {
        json::value(self)
    }
}
