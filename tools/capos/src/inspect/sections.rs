//! The sections of a file by size.

use std::collections::BTreeMap;

use wasmparser_263::{Parser, Payload};

/// One section, or all custom sections of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The specification's name for it, or a custom section's name.
    pub name: String,
    /// The bytes of its content.
    pub bytes: u64,
}

/// All sections, the largest first.
#[derive(Debug, Default)]
pub struct Sections {
    /// Those defined by the specification.
    pub known: Vec<Section>,
    /// Custom sections.
    pub custom: Vec<Section>,
}

const NAMES: [&str; 14] = [
    "custom",
    "type",
    "import",
    "function",
    "table",
    "memory",
    "global",
    "export",
    "start",
    "element",
    "code",
    "data",
    "data count",
    "tag",
];

impl Sections {
    /// The sections of the file itself: modules within a component count as the component's.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut known: BTreeMap<String, u64> = BTreeMap::new();
        let mut custom: BTreeMap<String, u64> = BTreeMap::new();
        let mut depth = 0u32;
        for payload in Parser::new(0).parse_all(bytes) {
            let Ok(payload) = payload else { break };
            let at_top = depth <= 1;
            match &payload {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ModuleSection { unchecked_range, .. } if at_top => {
                    *known.entry("core module".to_owned()).or_default() += length(unchecked_range);
                }
                Payload::ComponentSection { unchecked_range, .. } if at_top => {
                    *known.entry("component".to_owned()).or_default() += length(unchecked_range);
                }
                Payload::CustomSection(section) if at_top => {
                    *custom.entry(section.name().to_owned()).or_default() += section.data().len() as u64;
                }
                other if at_top => {
                    if let Some((id, range)) = other.as_section() {
                        let name = NAMES.get(usize::from(id)).copied().unwrap_or("other");
                        *known.entry(section_name(other, name).to_owned()).or_default() += length(&range);
                    }
                }
                _ => {}
            }
        }
        Self { known: largest_first(known), custom: largest_first(custom) }
    }
}

/// Components number their sections differently.
fn section_name<'a>(payload: &Payload<'_>, of_module: &'a str) -> &'a str {
    match payload {
        Payload::ComponentImportSection(_) => "component imports",
        Payload::ComponentExportSection(_) => "component exports",
        Payload::ComponentTypeSection(_) | Payload::CoreTypeSection(_) => "component types",
        Payload::ComponentAliasSection(_) => "aliases",
        Payload::ComponentCanonicalSection(_) => "canonical functions",
        Payload::InstanceSection(_) | Payload::ComponentInstanceSection(_) => "instances",
        _ => of_module,
    }
}

fn length(range: &std::ops::Range<u64>) -> u64 {
    range.end.saturating_sub(range.start)
}

fn largest_first(sizes: BTreeMap<String, u64>) -> Vec<Section> {
    let mut list: Vec<_> = sizes.into_iter().map(|(name, bytes)| Section { name, bytes }).collect();
    list.sort_by_key(|section| std::cmp::Reverse(section.bytes));
    list
}
