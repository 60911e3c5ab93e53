//! The start of a large module, which is generated here.

use std::fs;

use anyhow::{Context as _, Result, bail};

use super::guest::{How, TIMEOUT, start_time};
use super::{Bench, Measure};
use crate::qemu::{ConsoleLine, MachineEnd};

/// The number of functions, of [`PATTERN`]s in each, and of data segments: 20 MB in total.
const FUNCTIONS: u32 = 20_000;
const PATTERNS: usize = 32;
const SEGMENTS: u32 = 100;
const SEGMENT_BYTES: u32 = 60_000;

/// Instructions typical of compiled code, without results:
/// `local 1 = load(local 0 + 8) + 77; if local 1 { store(local 0, local 1) }`.
const PATTERN: &[u8] = &[
    0x20, 0x00, 0x28, 0x02, 0x08, 0x41, 0xcd, 0x00, 0x6a, 0x22, 0x01, 0x04, 0x40, 0x20, 0x00, 0x20, 0x01,
    0x36, 0x02, 0x00, 0x0b,
];

/// Enough memory for the boot package, the host's copies and the instance.
const MEMORY_MIB: u32 = 768;

const MANIFEST: &str = r#"package capos

name: "large"
wasm: [{instances: [{
	name:   "large"
	module: {file: "large.wasm"}
	grants: {console: true}
}]}]
"#;

impl Bench<'_> {
    /// Reading and validating a module of 20 MB, and its instantiation.
    pub(super) fn large_module(&self) -> Result<Vec<Measure>> {
        let folder = tempfile::Builder::new().prefix("capos-").tempdir().context("a temporary folder")?;
        let manifest = folder.path().join("large.cue");
        fs::write(&manifest, MANIFEST).with_context(|| manifest.display().to_string())?;
        fs::write(folder.path().join("large.wasm"), module()).context("large.wasm")?;
        let how = How {
            memory_mib: MEMORY_MIB,
            count_instructions: true,
            timeout: TIMEOUT,
            console: ConsoleLine::Serial,
        };
        let shown = self.boot(&manifest, &how)?;
        if shown.end != MachineEnd::Status(0) {
            bail!("the large module: ended with {:?}\n{}{}", shown.end, shown.output, shown.log);
        }
        let (compile, instantiate) =
            shown.log.lines().find_map(start_time).context("the log has no start time")?;
        Ok(vec![
            Measure::new("wasm_compilation_20m", compile, "instructions"),
            Measure::new("wasm_instantiation_20m", instantiate, "instructions"),
        ])
    }
}

/// The module: a program that exits at once, with many functions and much data that it does not use.
fn module() -> Vec<u8> {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // Types: () -> () and (i32) -> ().
    section(&mut module, 1, 2, |to| to.extend_from_slice(&[0x60, 0, 0, 0x60, 1, 0x7f, 0]));
    section(&mut module, 3, 1 + FUNCTIONS, |to| {
        to.push(0);
        to.resize(to.len() + FUNCTIONS as usize, 1);
    });
    let pages = (SEGMENTS * SEGMENT_BYTES).div_ceil(1 << 16);
    section(&mut module, 5, 1, |to| {
        to.push(0);
        leb(to, pages);
    });
    section(&mut module, 7, 1, |to| to.extend_from_slice(b"\x06_start\0\0"));
    section(&mut module, 10, 1 + FUNCTIONS, |to| {
        to.extend_from_slice(&[2, 0, 0x0b]);
        // One local.
        let mut body = vec![1, 1, 0x7f];
        body.extend(PATTERN.repeat(PATTERNS));
        body.push(0x0b);
        for _ in 0..FUNCTIONS {
            leb(to, body.len() as u32);
            to.extend_from_slice(&body);
        }
    });
    section(&mut module, 11, SEGMENTS, |to| {
        for number in 0..SEGMENTS {
            to.extend_from_slice(&[0, 0x41]);
            signed_leb(to, number * SEGMENT_BYTES);
            to.push(0x0b);
            leb(to, SEGMENT_BYTES);
            to.resize(to.len() + SEGMENT_BYTES as usize, 0x5a);
        }
    });
    module
}

/// Adds a section of `count` items.
fn section(module: &mut Vec<u8>, id: u8, count: u32, write: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    leb(&mut content, count);
    write(&mut content);
    module.push(id);
    leb(module, content.len() as u32);
    module.append(&mut content);
}

fn leb(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Like [`leb`], with space for a sign bit.
fn signed_leb(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x40 {
        to.push(value as u8 & 0x7f | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_large_module_is_valid_and_large() {
        let module = module();
        assert!((19_000_000..21_000_000).contains(&module.len()), "{}", module.len());
        wasmparser_263::validate(&module).unwrap();
    }
}
