//! Functions of which much is to be validated and translated. Each ends at once.

use crate::assemble::{BLOCK, DROP, END, I32, Named, Parts, leb, vector};

/// The most nested blocks that a function may have beside itself.
const DEPTH: usize = 49_999;

/// The modules, by name.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("declarations of no locals", || code([leb(500_000), [0, I32].repeat(500_000)].concat())),
        ("a branch out of nested blocks", || code(branch_out(DEPTH))),
        ("too many nested blocks", || code(branch_out(200_000))),
        ("blocks of many values", || code(values())),
    ]
}

/// A module of one function, of which these are the declarations of locals and the instructions.
fn code(code: Vec<u8>) -> Vec<u8> {
    Parts { code, ..Parts::default() }.encode()
}

/// So many blocks in one another, and a branch out of all.
fn branch_out(depth: usize) -> Vec<u8> {
    let branch = [&[0x0c], leb(depth as u32 - 1).as_slice()].concat();
    [&[0], BLOCK.repeat(depth).as_slice(), &branch, &[END].repeat(depth)].concat()
}

/// 2,000 blocks with 900 parameters and results.
fn values() -> Vec<u8> {
    let block = [0x02, 1, END];
    [&[1, 1, I32], [0x20, 0].repeat(900).as_slice(), &block.repeat(2_000), &[DROP].repeat(900)].concat()
}

/// The type of a block with 900 parameters and results.
pub(crate) fn many_values() -> Vec<u8> {
    let values = vector(&[I32; 900]);
    [&[0x60], values.as_slice(), &values].concat()
}
