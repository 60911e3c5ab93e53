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
        let size = bytes.len() as u64;
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
                        let name = section_name(other, name);
                        // A section that the file cuts off counts as far as it is there.
                        let there = range.start.min(size)..range.end.min(size);
                        *known.entry(name.to_owned()).or_default() += length(&there);
                    }
                }
                _ => {}
            }
        }
        Self { known: largest_first(known), custom: largest_first(custom) }
    }
}

/// The reason why a module of these bytes is invalid, if it ends within a section.
pub(super) fn cut_off(bytes: &[u8]) -> Option<String> {
    const PREAMBLE_BYTES: usize = 8;
    let mut start = PREAMBLE_BYTES;
    loop {
        let (id, rest) = bytes.get(start..)?.split_first()?;
        let name = NAMES.get(usize::from(*id))?;
        let size = bytes.len();
        let Some((length, header)) = leb128(rest) else {
            return (rest.len() < LONGEST_LENGTH).then(|| {
                format!("the file is cut off at byte {size}, within the header of its {name} section")
            });
        };
        let end = (start + 1 + header).checked_add(usize::try_from(length).ok()?)?;
        if end > size {
            return Some(format!(
                "the file is cut off at byte {size}, within its {name} section, which ends at byte {end}"
            ));
        }
        start = end;
    }
}

/// Maximum number of bytes of a section's length.
const LONGEST_LENGTH: usize = 5;

/// The number at the beginning of `bytes`, and how many bytes it takes.
fn leb128(bytes: &[u8]) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(LONGEST_LENGTH).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, index + 1));
        }
    }
    None
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
