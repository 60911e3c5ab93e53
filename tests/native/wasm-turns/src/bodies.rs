//! Functions of which much is to be validated and translated. Each ends at once.

use crate::assemble::{BLOCK, DROP, END, I32, LOOP, Named, Parts, call, constant, leb};

const IF: [u8; 4] = [0x41, 0, 0x04, 0x40];
const ELSE: u8 = 0x05;
const UNREACHABLE: u8 = 0x00;
const RETURN: u8 = 0x0f;
pub(crate) const GET_0: [u8; 2] = [0x20, 0];
/// The most nested blocks that a function may have.
const DEPTH: usize = 50_000;

/// The modules, by name.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("declarations of no locals", || code([leb(500_000), [0, I32].repeat(500_000)].concat())),
        ("a branch out of nested blocks", || {
            body(&[&nested(&BLOCK, DEPTH - 1, &[&[0x0c], &leb(DEPTH as u32 - 2)[..]].concat())])
        }),
        ("nested ifs", || body(&[&nested(&IF, DEPTH - 1, &[])])),
        ("too many nested ifs", || body(&[&nested(&IF, 200_000, &[])])),
        ("nested ifs with else", || body(&[&nested_else(DEPTH - 1)])),
        ("nested loops", || body(&[&nested(&LOOP, DEPTH - 1, &[])])),
        ("blocks after nested blocks", || {
            body(&[&nested(&BLOCK, DEPTH - 2, &[&BLOCK[..], &[END]].concat().repeat(200_000))])
        }),
        ("ifs after one another", || body(&[&[&IF[..], &[ELSE, END]].concat().repeat(60_000)])),
        ("loops after one another", || body(&[&[&LOOP[..], &[END]].concat().repeat(500_000)])),
        ("branches to one block", || {
            body(&[&BLOCK, &[&constant(0)[..], &[0x0d, 0]].concat().repeat(400_000), &[END]])
        }),
        ("a table of branches", || body(&[&BLOCK, &table(65_519), &[END]])),
        ("a table of branches to many blocks", || body(&[&spread(30_000)])),
        ("tables of branches", || {
            body(&[&BLOCK, &[&BLOCK[..], &table(20), &[END]].concat().repeat(20_000), &[END]])
        }),
        ("blocks of many values", || code(values())),
        ("a branch table of values", || code(value_table())),
        ("many operands", || body(&[&[0x41, 0].repeat(1_990), &[DROP].repeat(1_990)])),
        ("setting a local that operands are of", || {
            local(&[&GET_0.repeat(1_990), &[0x41, 0, 0x21, 0], &[DROP].repeat(1_990)])
        }),
        ("setting a local again and again below operands", || {
            local(&[
                &GET_0.repeat(1_990),
                &[0x20, 1, 0x41, 0, 0x21, 1, DROP].repeat(50_000),
                &[DROP].repeat(1_990),
            ])
        }),
        ("blocks above operands", || {
            local(&[
                &GET_0.repeat(1_990),
                &[&BLOCK[..], &[END]].concat().repeat(50_000),
                &[DROP].repeat(1_990),
            ])
        }),
        ("loops above constants", || {
            local(&[
                &[0x41, 7].repeat(1_990),
                &[&LOOP[..], &[END]].concat().repeat(50_000),
                &[DROP].repeat(1_990),
            ])
        }),
        ("ifs above operands", || {
            local(&[
                &GET_0.repeat(1_990),
                &[&IF[..], &[ELSE, END]].concat().repeat(50_000),
                &[DROP].repeat(1_990),
            ])
        }),
        ("chains of select", || local(&[&GET_0, &[0x41, 1, 0x20, 0, 0x1b].repeat(100_000), &[DROP]])),
        ("what is never reached", || body(&[&[UNREACHABLE], &[0x6a].repeat(60_000), &[DROP]])),
        ("blocks that are never reached", || body(&[&[UNREACHABLE], &nested(&BLOCK, DEPTH - 1, &[])])),
        ("returns", || body(&[&[RETURN].repeat(60_000)])),
        ("a long function", || local(&[&[0x20, 0, 0x41, 3, 0x6a, 0x21, 0].repeat(300_000)])),
        ("stores", || local(&[&[0x20, 0, 0x42, 3, 0x37, 0, 0].repeat(100_000)])),
        ("many locals", || {
            code(
                [
                    &[24][..],
                    &[leb(1_000), vec![I32]].concat().repeat(24),
                    &[0x20, 1, 0x21, 0].repeat(100_000),
                ]
                .concat(),
            )
        }),
        ("calls with many parameters", || code(calls())),
        ("many locals on the stack", || {
            code(
                [
                    vec![1],
                    leb(24_000),
                    vec![I32],
                    (0..1_990).flat_map(|local| [vec![0x20], leb(local)].concat()).collect(),
                    (0..24_000).flat_map(|local| [vec![0x41, 0, 0x21], leb(local)].concat()).collect(),
                    [DROP].repeat(1_990),
                ]
                .concat(),
            )
        }),
        ("deep calls of many values", || {
            let body = [GET_0.repeat(900), call(1)].concat();
            Parts { code: passing(&call(1)), functions: 1, function_type: 1, body, ..Parts::default() }
                .encode()
        }),
        ("vectors", || local(&[&[&[0xfd, 12][..], &[7; 16], &[DROP]].concat().repeat(60_000)])),
    ]
}

/// A module of one function, of which these are the declarations of locals and the instructions.
fn code(code: Vec<u8>) -> Vec<u8> {
    Parts { code, start: true, ..Parts::default() }.encode()
}

/// The same without locals.
fn body(body: &[&[u8]]) -> Vec<u8> {
    code([&[0], body.concat().as_slice()].concat())
}

/// The same with two locals.
fn local(body: &[&[u8]]) -> Vec<u8> {
    code([&[1, 2, I32], body.concat().as_slice()].concat())
}

fn nested(begin: &[u8], depth: usize, inner: &[u8]) -> Vec<u8> {
    [&begin.repeat(depth), inner, &[END].repeat(depth)].concat()
}

fn nested_else(depth: usize) -> Vec<u8> {
    [IF.repeat(depth), [ELSE, END].repeat(depth)].concat()
}

/// A table of branches to the block around.
fn table(targets: u32) -> Vec<u8> {
    [&constant(0)[..], &[0x0e], &leb(targets), &vec![0; targets as usize], &[0]].concat()
}

/// A table of branches to each of nested blocks, twice.
fn spread(blocks: u32) -> Vec<u8> {
    let targets: Vec<u8> = (0..blocks).chain(0..blocks).flat_map(leb).collect();
    nested(&BLOCK, blocks as usize, &[&constant(0)[..], &[0x0e], &leb(2 * blocks), &targets, &[0]].concat())
}

/// 2,000 blocks with 900 parameters and results.
fn values() -> Vec<u8> {
    let block = [0x02, 1, END];
    [&[1, 1, I32], GET_0.repeat(900).as_slice(), &block.repeat(2_000), &[DROP].repeat(900)].concat()
}

/// A table of 72 branches with 900 values each.
fn value_table() -> Vec<u8> {
    let table = [&GET_0[..], &[0x0e, 70], &[0; 71]].concat();
    let block = [&[0x02, 1], &table[..], &[END]].concat();
    [&[1, 1, I32], GET_0.repeat(900).as_slice(), &block.repeat(100), &[DROP].repeat(900)].concat()
}

/// Indirect calls with 900 parameters and results.
fn calls() -> Vec<u8> {
    let call = [&GET_0[..], &[0x11, 1, 0]].concat();
    [&[1, 1, I32], GET_0.repeat(900).as_slice(), &[RETURN], &call.repeat(3_000), &[DROP].repeat(900)].concat()
}

/// A local, and a call with 900 parameters and results.
fn passing(call: &[u8]) -> Vec<u8> {
    [&[1, 1, I32], GET_0.repeat(900).as_slice(), call, &[DROP].repeat(900)].concat()
}
