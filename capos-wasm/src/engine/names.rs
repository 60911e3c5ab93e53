//! Names for the functions of a backtrace.

use crate::pace::{ITEM_WORK, Pace, name_work};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};
use wasmparser::{KnownCustom, Name, NameSectionReader, Parser, Payload};

/// A longer name is truncated before it is demangled.
const MAX_MANGLED_BYTES: usize = 4000;
/// A longer name is truncated, since it comes from the module and is written to the log.
const MAX_NAME_BYTES: usize = 200;

/// The names of the functions with these indices: from the module's name section, otherwise `function N`.
pub(super) async fn name_all(module: &[u8], indices: &[u32], pace: &mut Pace) -> Vec<String> {
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    // A module without names, or with invalid ones, is still valid.
    let _ = collect(module, indices, &mut names, pace).await;
    let name = |index: &u32| names.get(index).cloned().unwrap_or_else(|| format!("function {index}"));
    indices.iter().map(name).collect()
}

async fn collect(
    module: &[u8],
    wanted: &[u32],
    names: &mut BTreeMap<u32, String>,
    pace: &mut Pace,
) -> wasmparser::Result<()> {
    for payload in Parser::new(0).parse_all(module) {
        pace.spend(ITEM_WORK).await;
        let Payload::CustomSection(section) = payload? else { continue };
        pace.spend(name_work(section.name())).await;
        let KnownCustom::Name(reader) = section.as_known() else { continue };
        collect_section(reader, wanted, names, pace).await?;
    }
    Ok(())
}

async fn collect_section(
    reader: NameSectionReader<'_>,
    wanted: &[u32],
    names: &mut BTreeMap<u32, String>,
    pace: &mut Pace,
) -> wasmparser::Result<()> {
    for subsection in reader {
        pace.spend(ITEM_WORK).await;
        let Name::Function(functions) = subsection? else { continue };
        for naming in functions {
            let naming = naming?;
            pace.spend(ITEM_WORK + name_work(naming.name)).await;
            if wanted.contains(&naming.index) {
                names.insert(naming.index, printable(naming.name));
            }
        }
    }
    Ok(())
}

/// Demangles the name, and removes line breaks and control characters.
pub(crate) fn printable(name: &str) -> String {
    // Demangling parses the whole name.
    let name = name.get(..name.floor_char_boundary(MAX_MANGLED_BYTES)).unwrap_or(name);
    let mut short = Short(String::new());
    // Writing fails only when the limit is reached.
    let _ = match rustc_demangle::try_demangle(name) {
        Ok(plain) => write!(short, "{plain:#}"),
        Err(_) => short.write_str(name),
    };
    short.0
}

/// Keeps the first characters that are written and refuses the rest, so that a name that demangles to
/// megabytes costs little.
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.0.len() >= MAX_NAME_BYTES {
                return Err(fmt::Error);
            }
            self.0.push(if char.is_control() { '?' } else { char });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_NAME_BYTES, printable};

    #[test]
    fn names_are_plain_and_short() {
        assert_eq!(printable("_RNvCsj7tOLqQT1xd_10wasi_stack6deeper"), "wasi_stack::deeper");
        assert_eq!(printable("main\n\x1b[2J"), "main??[2J");
        assert_eq!(printable(&"x".repeat(1000)).len(), MAX_NAME_BYTES);
    }
}
