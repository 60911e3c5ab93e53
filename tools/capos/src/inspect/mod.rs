//! `capos inspect`: what a WebAssembly file imports, exports and uses, and what running it takes.

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
mod text;
mod unknown;
mod valid;

use std::path::Path;

use anyhow::{Context as _, Result};
use wasmparser_263::{Encoding, Parser, Payload, Validator, WasmFeatures};

pub use call::{BadCall, check_call};
pub use component::Component;
pub use file::module_bytes;
pub use module::{Export, Import, Kind, Module};
pub use needs::{Grant, grant_for, meant, type_of};
pub use proposals::{Proposal, State};
pub use sections::{Section, Sections};
pub use valid::{Form, refusal};

/// All that is told about a file.
#[derive(Debug)]
pub struct Inspected {
    /// Its size, that of the binary form.
    pub bytes: u64,
    /// Why it is not valid, if it is not: what follows is then as far as it could be read.
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
/// When it cannot be read, or is no WebAssembly at all.
pub fn inspect_file(path: &Path) -> Result<Inspected> {
    inspect(&module_bytes(path)?).with_context(|| path.display().to_string())
}

/// Looks at the bytes of a file.
///
/// # Errors
/// When they are no WebAssembly at all.
pub fn inspect(bytes: &[u8]) -> Result<Inspected> {
    let first = Parser::new(0).parse_all(bytes).next();
    let encoding = match first {
        Some(Ok(Payload::Version { encoding, .. })) => encoding,
        _ => anyhow::bail!("not a WebAssembly file: it does not begin as modules and components do"),
    };
    let content = match encoding {
        Encoding::Module => Content::Module(Box::new(Module::read(bytes))),
        Encoding::Component => Content::Component(Component::read(bytes)),
    };
    let validated = Validator::new_with_features(WasmFeatures::all()).validate_all(bytes);
    Ok(Inspected {
        bytes: bytes.len() as u64,
        invalid: validated.err().map(|error| error.to_string()),
        content,
        sections: Sections::read(bytes),
    })
}

impl Inspected {
    /// Whether everything that it imports and that nothing provides are functions, which can be replaced by traps.
    pub fn lacks_only_functions(&self) -> bool {
        match &self.content {
            Content::Module(module) => module.lacks_only_functions(),
            Content::Component(_) => false,
        }
    }

    /// For people, in columns. `name` is what to call the file.
    pub fn text(&self, name: &str) -> String {
        text::render(self, name)
    }

    /// The same for programs.
    pub fn json(&self) -> serde_json::Value {
        json::value(self)
    }
}
