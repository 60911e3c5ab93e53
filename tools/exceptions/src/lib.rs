//! Rewrites WebAssembly's exceptions in terms of what an engine without them knows.
//!
//! An exception on its way is a number in a global of the module: its tag and its payload, or 0 when there is none. `throw`
//! sets it and leaves for the innermost handler of the function, which is a `try_table` or the end of the function; a call
//! is followed by a look at it; and `try_table` becomes a block behind which the number is compared with the tags that it
//! catches. An `exnref` is that number. An exception that leaves an exported function is a trap, as it would be.

mod body;
mod rewrite;
mod shape;

use anyhow::{Result, anyhow};
use wasm_encoder::reencode::Reencode as _;
use wasm_encoder::{Module, RawSection};
use wasmparser_263::{Parser, Payload};

use rewrite::Rewrite;
use shape::Shape;

const TAG_SECTION: u8 = 13;

/// `module` without exceptions; `None` when it has none. What is no valid module may lead to another one that is not valid
/// either, but never to one that does something else.
pub fn lower(module: &[u8]) -> Result<Option<Vec<u8>>> {
    if !has_tags(module) {
        return Ok(None);
    }
    let shape = Shape::of(module)?;
    let rest = without_tags(module)?;
    let mut made = Module::new();
    let copied = Rewrite::new(shape).parse_core_module(&mut made, Parser::new(0), &rest);
    copied.map_err(|error| anyhow!("{error}"))?;
    Ok(Some(made.finish()))
}

fn has_tags(module: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(module);
    sections.map_while(Result::ok).any(|payload| matches!(payload, Payload::TagSection(_)))
}

fn without_tags(module: &[u8]) -> Result<Vec<u8>> {
    let mut rest = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Some((id, range)) = payload?.as_section()
            && id != TAG_SECTION
        {
            let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
            rest.section(&RawSection { id, data: module.get(range).unwrap_or_default() });
        }
    }
    Ok(rest.finish())
}
