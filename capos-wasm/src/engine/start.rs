//! Start sections.
//!
//! Engines run a module's start function during instantiation, where it could neither wait nor be stopped.
//! Therefore the start section is converted to an additional export before compiling, which is then called
//! like any other.

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

/// Converts a start section, if there is one, to an export. A module that cannot be parsed is left unchanged for
/// the engine to refuse.
pub(super) async fn export_start<'a>(module: &'a [u8], pace: &mut Pace) -> Cow<'a, [u8]> {
    let Some((before, export, between, after)) = rewrite(module, pace).await else {
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

async fn rewrite<'a>(module: &'a [u8], pace: &mut Pace) -> Option<Parts<'a>> {
    let (exports, start) = sections(module, pace).await?;
    let (function, end) = read_leb(module, start.content.start)?;
    if end != start.content.end {
        return None;
    }
    // In every valid module exports come before the start section; if there are none, the new section
    // replaces the start section.
    let (place, count, entries) = match exports {
        Some(exports) if exports.whole.end <= start.whole.start => {
            let (count, entries) = read_leb(module, exports.content.start)?;
            (exports.whole.clone(), count, entries..exports.content.end)
        }
        Some(_) => return None,
        None => (start.whole.start..start.whole.start, 0, 0..0),
    };
    let mut content = Vec::new();
    write_leb(&mut content, count.checked_add(1)?);
    append(&mut content, module.get(entries)?, pace).await;
    write_leb(&mut content, START_EXPORT.len() as u32);
    content.extend_from_slice(START_EXPORT.as_bytes());
    content.push(FUNCTION_EXPORT);
    write_leb(&mut content, function);

    let mut export = vec![EXPORT_SECTION];
    write_leb(&mut export, u32::try_from(content.len()).ok()?);
    append(&mut export, &content, pace).await;
    let between = module.get(place.end..start.whole.start)?;
    Some((module.get(..place.start)?, export, between, module.get(start.whole.end..)?))
}

struct Section {
    /// Including its id and length.
    whole: Range<usize>,
    content: Range<usize>,
}

/// Finds the first export section and the start section.
async fn sections(module: &[u8], pace: &mut Pace) -> Option<(Option<Section>, Section)> {
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
    Some((exports, start?))
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
mod tests {
    use super::{Pace, export_start, read_leb, write_leb};
    use futures::FutureExt;
    use std::borrow::Cow;

    #[test]
    fn numbers_come_back() {
        for value in [0, 1, 127, 128, 300, 16_384, u32::MAX] {
            let mut bytes = vec![0xaa];
            write_leb(&mut bytes, value);
            assert_eq!(read_leb(&bytes, 1), Some((value, bytes.len())));
        }
        assert_eq!(read_leb(&[0xff; 9], 0), None);
        assert_eq!(read_leb(&[0xff, 0xff, 0xff, 0xff, 0x7f], 0), None);
        assert_eq!(read_leb(&[0x80], 0), None);
    }

    #[test]
    fn modules_without_a_start_section_stay() {
        for module in
            [&b""[..], b"\0asm\x01\0\0\0", b"\0asm\x01\0\0\0\x08", b"\0asm\x01\0\0\0\x08\xff\xff\xff\xff\x0f"]
        {
            let mut pace = Pace::new(None);
            assert!(matches!(export_start(module, &mut pace).now_or_never(), Some(Cow::Borrowed(_))));
        }
    }
}
