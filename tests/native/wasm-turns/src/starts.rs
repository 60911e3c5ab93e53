//! Modules that are expensive to read, validate or translate. Each exits at once.

use crate::assemble::{BLOCK, DROP, END, I32, counted, leb, text, vector};

/// Number of entries in the long sections.
const MANY: u32 = 100_000;
const TYPE: [u8; 3] = [0x60, 0, 0];

/// The modules, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (
            "many globals",
            Parts { globals: repeated(MANY, &[I32, 0, 0x41, 1, END]), ..Parts::default() }.encode(),
        ),
        ("many elements", Parts { elements: elements(), ..Parts::default() }.encode()),
        ("declarations of no locals", code([leb(500_000), [0, I32].repeat(500_000)].concat())),
        ("a branch out of nested blocks", code(branch_out())),
        ("blocks of many values", code(values())),
    ]
}

/// The additional parts of a module, besides a function without parameters, results and body.
#[derive(Default)]
struct Parts {
    globals: (u32, Vec<u8>),
    elements: (u32, Vec<u8>),
    /// Declarations of locals, and instructions.
    code: Vec<u8>,
}

impl Parts {
    fn encode(self) -> Vec<u8> {
        let many = many_values();
        let types = [&TYPE[..], &many].concat();
        let export = [text("_start"), vec![0, 0]].concat();
        let mut code = if self.code.is_empty() { vec![0] } else { self.code };
        code.push(END);
        let table = [vec![0x70, 0], leb(MANY)].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            counted(1, 2, &types),
            counted(3, 1, &[0]),
            counted(4, 1, &table),
            counted(6, self.globals.0, &self.globals.1),
            counted(7, 1, &export),
            counted(9, self.elements.0, &self.elements.1),
            counted(10, 1, &vector(&code)),
        ]
        .concat()
    }
}

fn repeated(count: u32, item: &[u8]) -> (u32, Vec<u8>) {
    (count, item.repeat(count as usize))
}

/// A module of one function.
fn code(code: Vec<u8>) -> Vec<u8> {
    Parts { code, ..Parts::default() }.encode()
}

/// A segment with an entry for each table element.
fn elements() -> (u32, Vec<u8>) {
    (1, [vec![0, 0x41, 0, END], leb(MANY), vec![0; MANY as usize]].concat())
}

/// 150,000 nested blocks, and a branch out of all of them.
fn branch_out() -> Vec<u8> {
    [&[0], BLOCK.repeat(150_000).as_slice(), &[0x0c], &leb(149_999), &[END].repeat(150_000)].concat()
}

/// The type of a block with 900 parameters and results.
fn many_values() -> Vec<u8> {
    let values = vector(&[I32; 900]);
    [&[0x60], values.as_slice(), &values].concat()
}

fn values() -> Vec<u8> {
    let block = [0x02, 1, END];
    [&[1, 1, I32], [0x20, 0].repeat(900).as_slice(), &block.repeat(2_000), &[DROP].repeat(900)].concat()
}
