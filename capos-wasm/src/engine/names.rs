//! Names for the functions of a backtrace.

use crate::pace::{ITEM_WORK, Pace, name_work};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};
use wasmparser::{BinaryReader, KnownCustom, Name, NameSectionReader, Parser, Payload};

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
        collect_section(module, reader, wanted, names, pace).await?;
    }
    Ok(())
}

async fn collect_section(
    module: &[u8],
    reader: NameSectionReader<'_>,
    wanted: &[u32],
    names: &mut BTreeMap<u32, String>,
    pace: &mut Pace,
) -> wasmparser::Result<()> {
    for subsection in reader {
        pace.spend(ITEM_WORK).await;
        let Name::Function(functions) = subsection? else { continue };
        // Read as bytes: to check that a long name is UTF-8 takes long, and only its beginning is used.
        let mut entries = BinaryReader::new(module.get(functions.range()).unwrap_or_default(), 0);
        for _ in 0..entries.read_var_u32()? {
            let (index, length) = (entries.read_var_u32()?, entries.read_var_u32()?);
            let name = entries.read_bytes(length as usize)?;
            pace.spend(ITEM_WORK).await;
            if wanted.contains(&index) {
                names.insert(index, printable(beginning(name)));
            }
        }
    }
    Ok(())
}

/// The beginning of a name, as far as it is used and is UTF-8.
fn beginning(name: &[u8]) -> &str {
    let part = name.get(..MAX_MANGLED_BYTES).unwrap_or(name);
    match std::str::from_utf8(part) {
        Ok(text) => text,
        Err(error) => {
            let valid = part.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
    }
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
    use super::{MAX_MANGLED_BYTES, MAX_NAME_BYTES, Pace, beginning, name_all, printable};
    use futures::executor::block_on;

    #[test]
    fn names_are_plain_and_short() {
        assert_eq!(printable("_RNvCsj7tOLqQT1xd_10wasi_stack6deeper"), "wasi_stack::deeper");
        assert_eq!(printable("main\n\x1b[2J"), "main??[2J");
        assert_eq!(printable(&"x".repeat(1000)).len(), MAX_NAME_BYTES);
    }

    #[test]
    fn long_names_are_read_as_far_as_they_are_used() {
        let long = "\u{10348}".repeat(10_000);
        assert_eq!(beginning(long.as_bytes()).len(), MAX_MANGLED_BYTES);
        assert_eq!(beginning(format!("x{long}").as_bytes()).len(), MAX_MANGLED_BYTES - 3);
        assert_eq!(beginning(b"main\xff"), "main");
        assert_eq!(beginning(b""), "");
    }

    #[test]
    fn names_come_from_the_name_section() {
        // Function names: one of index 1, one of index 3 that is cut off.
        let names = [1, 11, 2, 1, 4, b'm', b'a', b'i', b'n', 3, 9, b'x', b'y'];
        let custom = [&[4][..], b"name", &names].concat();
        let module = [&b"\0asm\x01\0\0\0\0"[..], &[custom.len() as u8], &custom].concat();
        let told = block_on(name_all(&module, &[3, 1], &mut Pace::new(None)));
        assert_eq!(told, ["function 3", "main"]);
    }
}
