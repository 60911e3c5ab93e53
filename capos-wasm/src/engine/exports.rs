//! Exports that are added to a module before it is compiled.
//!
//! Engines run a module's start function during instantiation, where it could neither wait nor be stopped.
//! Therefore the start section is converted to an additional export, which is then called like any other. A module whose
//! instances may move to another engine also exports its state.

use super::inventory::{Inventory, global_name, memory_name};
use crate::pace::Pace;
use std::{borrow::Cow, ops::Range};

/// The export name of the start function. A module that exports this name itself is refused as invalid.
pub(crate) const START_EXPORT: &str = "capos:start section";

/// Bytes that are copied at once, and the weight of that relative to bytes that are parsed.
const STEP_BYTES: usize = 32 << 10;
const STEP_WORK: usize = 1 << 10;
/// The weight of a section that is skipped.
const SECTION_WORK: usize = 2;

const HEADER_BYTES: usize = 8;
const EXPORT_SECTION: u8 = 7;
const START_SECTION: u8 = 8;
const FUNCTION_EXPORT: u8 = 0;
const MEMORY_EXPORT: u8 = 2;
const GLOBAL_EXPORT: u8 = 3;

/// An export to be added.
struct Added {
    name: String,
    kind: u8,
    index: u32,
}

/// The exports of this state.
fn state_exports(state: &Inventory) -> Vec<Added> {
    let memory = |index| Added { name: memory_name(index), kind: MEMORY_EXPORT, index };
    let global = |&index| Added { name: global_name(index), kind: GLOBAL_EXPORT, index };
    (0..state.memories).map(memory).chain(state.globals.iter().map(global)).collect()
}

/// Converts a start section, if there is one, to an export, and with `exposes_state` adds exports of the state that an
/// [`Inventory`] lists, if there is one for this module. A module that cannot be parsed is left unchanged for the engine to
/// refuse.
pub(super) async fn add_exports<'a>(module: &'a [u8], exposes_state: bool, pace: &mut Pace) -> Cow<'a, [u8]> {
    let added = match exposes_state {
        true => {
            Inventory::read(module, pace).await.map_or_else(|_| Vec::new(), |state| state_exports(&state))
        }
        false => Vec::new(),
    };
    let Some((before, export, between, after)) = rewrite(module, added, pace).await else {
        return Cow::Borrowed(module);
    };
    let mut rewritten = Vec::with_capacity(module.len() + export.len());
    for part in [before, &export, between, after] {
        append(&mut rewritten, part, pace).await;
    }
    Cow::Owned(rewritten)
}

async fn append(bytes: &mut Vec<u8>, more: &[u8], pace: &mut Pace) {
    bytes.reserve_exact(more.len());
    for step in more.chunks(STEP_BYTES) {
        bytes.extend_from_slice(step);
        pace.spend(STEP_WORK).await;
    }
}

/// The parts of a rewritten module: everything before the export section, that section, everything up to the start
/// section, and everything after it.
type Parts<'a> = (&'a [u8], Vec<u8>, &'a [u8], &'a [u8]);

async fn rewrite<'a>(module: &'a [u8], mut added: Vec<Added>, pace: &mut Pace) -> Option<Parts<'a>> {
    let (exports, start) = sections(module, pace).await?;
    let start = match start {
        Some(start) => {
            let (index, end) = read_leb(module, start.content.start)?;
            if end != start.content.end {
                return None;
            }
            added.push(Added { name: START_EXPORT.to_owned(), kind: FUNCTION_EXPORT, index });
            start.whole
        }
        None => module.len()..module.len(),
    };
    if added.is_empty() {
        return None;
    }
    // In every valid module exports come before the start section; if there are none, the new section
    // replaces the start section.
    let (place, count, entries) = match exports {
        Some(exports) if exports.whole.end <= start.start => {
            let (count, entries) = read_leb(module, exports.content.start)?;
            (exports.whole.clone(), count, entries..exports.content.end)
        }
        Some(_) => return None,
        None => (start.start..start.start, 0, 0..0),
    };
    let mut content = Vec::new();
    write_leb(&mut content, count.checked_add(u32::try_from(added.len()).ok()?)?);
    append(&mut content, module.get(entries)?, pace).await;
    for Added { name, kind, index } in added {
        write_leb(&mut content, u32::try_from(name.len()).ok()?);
        content.extend_from_slice(name.as_bytes());
        content.push(kind);
        write_leb(&mut content, index);
    }

    let mut export = vec![EXPORT_SECTION];
    write_leb(&mut export, u32::try_from(content.len()).ok()?);
    append(&mut export, &content, pace).await;
    let between = module.get(place.end..start.start)?;
    Some((module.get(..place.start)?, export, between, module.get(start.end..)?))
}

struct Section {
    /// Including its id and length.
    whole: Range<usize>,
    content: Range<usize>,
}

/// Finds the first export section and the start section.
async fn sections(module: &[u8], pace: &mut Pace) -> Option<(Option<Section>, Option<Section>)> {
    let (mut exports, mut start) = (None, None);
    let mut at = HEADER_BYTES;
    while at < module.len() {
        let id = *module.get(at)?;
        let (len_bytes, content) = read_leb(module, at + 1)?;
        let end = content.checked_add(len_bytes as usize).filter(|&end| end <= module.len())?;
        let section = || Section { whole: at..end, content: content..end };
        match id {
            EXPORT_SECTION => exports = exports.or_else(|| Some(section())),
            START_SECTION => start = start.or_else(|| Some(section())),
            _ => {}
        }
        at = end;
        pace.spend(SECTION_WORK).await;
    }
    Some((exports, start))
}

/// Reads a LEB128 number; also returns where it ends.
fn read_leb(module: &[u8], at: usize) -> Option<(u32, usize)> {
    let mut value = 0u64;
    for (index, &byte) in module.get(at..)?.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()?, at + index + 1));
        }
    }
    None
}

fn write_leb(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[cfg(test)]
mod tests;
