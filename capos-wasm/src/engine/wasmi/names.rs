//! Names for the functions of a backtrace.

use std::collections::BTreeMap;
use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload};

/// A longer name is cut: it is the module's text and goes into the log.
const MAX_NAME_CHARS: usize = 200;

/// Names the functions with these indices: as the module's name section does, else `function N`.
pub(super) fn name_all(module: &[u8], indices: &[u32]) -> Vec<String> {
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    // A module without names, or with broken ones, is still a module.
    let _ = collect(module, indices, &mut names);
    let name = |index: &u32| names.get(index).cloned().unwrap_or_else(|| format!("function {index}"));
    indices.iter().map(name).collect()
}

fn collect(module: &[u8], wanted: &[u32], names: &mut BTreeMap<u32, String>) -> wasmparser::Result<()> {
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CustomSection(section) = payload? else { continue };
        let KnownCustom::Name(reader) = section.as_known() else { continue };
        collect_section(reader, wanted, names)?;
    }
    Ok(())
}

fn collect_section(
    reader: NameSectionReader<'_>,
    wanted: &[u32],
    names: &mut BTreeMap<u32, String>,
) -> wasmparser::Result<()> {
    for subsection in reader {
        let Name::Function(functions) = subsection? else { continue };
        for naming in functions {
            let naming = naming?;
            if wanted.contains(&naming.index) {
                names.insert(naming.index, printable(naming.name));
            }
        }
    }
    Ok(())
}

/// Takes out what could break a line or steer a terminal.
fn printable(name: &str) -> String {
    let visible = |char: char| if char.is_control() { '?' } else { char };
    name.chars().take(MAX_NAME_CHARS).map(visible).collect()
}
