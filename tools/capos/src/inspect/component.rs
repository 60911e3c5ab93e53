//! A component: what it imports and exports, by name.

use wasmparser_263::{Parser, Payload};

/// A component's interface.
#[derive(Debug, Default)]
pub struct Component {
    /// The names of its imports.
    pub imports: Vec<String>,
    /// The names of its exports.
    pub exports: Vec<String>,
}

impl Component {
    /// Reads as far as the bytes are valid.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut component = Self::default();
        let mut depth = 0u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let Ok(payload) = payload else { break };
            match payload {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    let imports = section.into_iter().map_while(Result::ok);
                    component.imports.extend(imports.map(|import| import.name.name.to_owned()));
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    let exports = section.into_iter().map_while(Result::ok);
                    component.exports.extend(exports.map(|export| export.name.name.to_owned()));
                }
                _ => {}
            }
        }
        component
    }
}
