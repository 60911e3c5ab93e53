//! Modules that keep their host busy, each with the most expensive operation for its fuel.

use crate::{
    assemble::{
        BLOCK, BR_0, DROP, END, I32, I64, LOOP, Module, Named, Parts, call, constant, forever, leb, repeated,
    },
    bodies::GET_0,
    starts::MANY,
};

/// A memory of 16 MiB.
const PAGES: u32 = 256;
const ELEMENTS: u32 = 60_000;
/// Number of table elements, nearly the maximum for a module here.
const MANY_ELEMENTS: u32 = 9_000_000;

/// The modules, by name.
pub(crate) fn all() -> Vec<(&'static str, Module)> {
    vec![
        ("zeroing locals", called(24_000, &[], 1)),
        ("memory.fill", alone(&with_three(0, 7, PAGES << 16, &[0xfc, 11, 0]))),
        ("memory.copy", alone(&with_three(1, 0, (PAGES << 16) - 1, &[0xfc, 10, 0, 0]))),
        (
            "table.fill",
            alone(&[&constant(0)[..], &[0xd0, 0x70], &constant(ELEMENTS), &[0xfc, 17, 0]].concat()),
        ),
        ("table.copy", alone(&with_three(1, 0, ELEMENTS - 1, &[0xfc, 14, 0, 0]))),
        ("table.grow", growing(ELEMENTS)),
        ("table.grow by much", growing(MANY_ELEMENTS)),
        ("memory.grow", alone(&[&constant(1)[..], &[0x40, 0, DROP]].concat())),
        ("first touching pages", touching()),
        ("a block without branches", called(1, &[0x20, 0, 0x42, 3, 0x7c, 0x21, 0].repeat(8_000), 1)),
        ("translating", called(1, &[0x20, 0, 0x42, 3, 0x7c, 0x21, 0].repeat(280), 30)),
        ("translating a branch table", branching()),
        ("calls", called(0, &[], 1)),
        ("deep calls", alone_with(vec![(0, forever(&call(1))), (0, recursion())])),
        ("divisions", called(1, &[0x20, 0, 0x42, 3, 0x7f, 0x21, 0].repeat(1_000), 1)),
        ("rounding", called(1, &float(0x9e).repeat(1_000), 1)),
        ("counting bits of vectors", called(1, &vector(&[0x62]).repeat(100), 1)),
        ("rounding vectors", called(1, &vector(&[0x6a]).repeat(100), 1)),
        ("random_get", importing("random_get", 2, &[0, 16 << 20])),
        ("sched_yield", importing("sched_yield", 0, &[])),
    ]
}

/// Those with operands in other sections, by name.
pub(crate) fn long() -> Vec<Named> {
    vec![
        ("calls of many values", || {
            Parts { code: values(&forever(&passing(&call(1)))), ..giving_values() }.encode()
        }),
        ("indirect calls of many values", || {
            let call = [&constant(0)[..], &[0x11, 1, 0]].concat();
            let elements = repeated(1, &[0, 0x41, 0, END, 1, 1]);
            Parts { code: values(&forever(&passing(&call))), elements, ..giving_values() }.encode()
        }),
        ("tail calls of many values", || {
            let body = [&GET_0.repeat(900)[..], &[0x12, 1]].concat();
            Parts { code: values(&passing(&call(1))), body, ..giving_values() }.encode()
        }),
        ("branches with many values", || {
            let repeat = [&GET_0.repeat(900)[..], &[0x03, 1], &BR_0, &[END], &[DROP].repeat(900)].concat();
            Parts { code: values(&repeat), ..giving_values() }.encode()
        }),
        ("branches by a table with many values", || {
            let table = [&[0x20, 0, 0x0e, 70][..], &[0; 71]].concat();
            let repeat = [&GET_0.repeat(900)[..], &[0x03, 1], &table, &[END], &[DROP].repeat(900)].concat();
            Parts { code: values(&repeat), ..giving_values() }.encode()
        }),
        ("memory.init", || {
            let length = 1 << 20;
            let data = [&[1][..], &leb(length), &vec![7; length as usize]].concat();
            let body = with_three(0, 0, length, &[0xfc, 8, 0, 0]);
            Parts { code: values(&forever(&body)), data: (1, data), ..Parts::default() }.encode()
        }),
        ("table.init", || {
            let elements = [&[1, 0][..], &leb(MANY), &vec![0; MANY as usize]].concat();
            let body = with_three(0, 0, MANY, &[0xfc, 12, 0, 0]);
            Parts { code: values(&forever(&body)), elements: (1, elements), ..Parts::default() }.encode()
        }),
        ("table.init of expressions", || {
            let elements = [&[5, 0x70][..], &leb(MANY), &[0xd2, 0, END].repeat(MANY as usize)].concat();
            let body = with_three(0, 0, MANY, &[0xfc, 12, 0, 0]);
            Parts { code: values(&forever(&body)), elements: (1, elements), ..Parts::default() }.encode()
        }),
        ("memory.grow by much", || {
            let grow = [&constant(800)[..], &[0x40, 0, DROP]].concat();
            Parts {
                code: [&[1, 1, I64][..], &after_rounds(), &grow, &forever(&[])].concat(),
                ..Parts::default()
            }
            .encode()
        }),
    ]
}

/// The modules that end, by name.
pub(crate) fn ending() -> Vec<(&'static str, Module)> {
    vec![
        ("freeing memory after a trap", touching_all()),
        ("freeing a stack after a trap", alone_with(vec![(0, call(1)), (60, call(1))])),
        ("freeing tables after the end", Module { elements: MANY_ELEMENTS, ..filling(MANY_ELEMENTS) }),
    ]
}

fn with_three(first: u32, second: u32, third: u32, instruction: &[u8]) -> Vec<u8> {
    [&constant(first)[..], &constant(second), &constant(third), instruction].concat()
}

/// Code with one local.
fn values(instructions: &[u8]) -> Vec<u8> {
    [&[1, 1, I32], instructions].concat()
}

/// A call with 900 parameters and results.
fn passing(call: &[u8]) -> Vec<u8> {
    [&GET_0.repeat(900), call, &[DROP].repeat(900)].concat()
}

/// A function with 900 parameters and results.
fn giving_values() -> Parts {
    Parts { functions: 1, function_type: 1, body: GET_0.repeat(900), ..Parts::default() }
}

fn alone(body: &[u8]) -> Module {
    alone_with(vec![(0, forever(body))])
}

fn alone_with(functions: Vec<(u32, Vec<u8>)>) -> Module {
    Module { pages: PAGES, elements: ELEMENTS, functions, ..Module::default() }
}

/// Calls `count` functions with these locals and this body in an endless loop.
fn called(locals: u32, body: &[u8], count: u32) -> Module {
    let calls: Vec<u8> = (1..=count).flat_map(call).collect();
    let mut functions = vec![(0, forever(&calls))];
    functions.extend((0..count).map(|_| (locals, body.to_vec())));
    alone_with(functions)
}

/// Stores a byte in each page of a fresh memory.
fn touching() -> Module {
    // Local 0 is a 64-bit address within the memory's size.
    let within = [&constant((64 << 20) - 1)[..], &[0x71]].concat();
    let store = [&constant(1)[..], &[0x3a, 0, 0]].concat();
    let next = [0x20, 0, 0x42, 0x80, 0x20, 0x7c, 0x21, 0];
    let body = [&[0x20, 0, 0xa7][..], &within, &store, &next].concat();
    Module { pages: 1024, functions: vec![(1, forever(&body))], ..Module::default() }
}

/// Stores a byte in each page of a fresh memory, and then beyond it.
fn touching_all() -> Module {
    let store = [&constant(1)[..], &[0x3a, 0, 0]].concat();
    let next = [0x20, 0, 0x42, 0x80, 0x20, 0x7c, 0x21, 0];
    let body = [&[0x20, 0, 0xa7][..], &store, &next].concat();
    Module { pages: 1024, functions: vec![(1, forever(&body))], ..Module::default() }
}

/// Fills a table with a function.
fn filling(elements: u32) -> Module {
    // `ref.func` of an exported function, `table.fill`.
    let body = [&constant(0)[..], &[0xd2, 0], &constant(elements), &[0xfc, 17, 0]].concat();
    Module { functions: vec![(0, body)], ..Module::default() }
}

/// Counts in local 0, until its neighbour has started to measure.
fn after_rounds() -> Vec<u8> {
    let rounds = [&[0x42][..], constant(50_000).get(1..).unwrap_or_default()].concat();
    [&LOOP[..], &[0x20, 0, 0x42, 1, 0x7c, 0x22, 0], &rounds, &[0x54, 0x0d, 0, END]].concat()
}

/// Grows an empty table by `elements` at once.
fn growing(elements: u32) -> Module {
    let wait = after_rounds();
    let grow = [&[0xd0, 0x70][..], &constant(elements), &[0xfc, 15, 0, DROP]].concat();
    let body = [wait, grow, forever(&[])].concat();
    Module { functions: vec![(1, body)], ..Module::default() }
}

/// A branch table with all targets the same block.
fn branching() -> Module {
    let targets = 50_000;
    let table = [vec![0x0e], leb(targets), vec![0; targets as usize], vec![0]].concat();
    let body = [&BLOCK[..], &constant(0), &table, &[END]].concat();
    called(0, &body, 1)
}

/// Recurses 20,000 times. The depth is stored in the first word of memory.
fn recursion() -> Vec<u8> {
    let load = [&constant(0)[..], &[0x28, 2, 0]].concat();
    let change = |by: u32| [&constant(0)[..], &load, &constant(by), &[0x6a, 0x36, 2, 0]].concat();
    [&change(1)[..], &load, &constant(20_000), &[0x49, 0x04, 0x40], &call(1), &[END], &change(u32::MAX)]
        .concat()
}

/// Applies the instruction to local 0 as a float.
fn float(instruction: u8) -> Vec<u8> {
    vec![0x20, 0, 0xbf, instruction, 0xbd, 0x21, 0]
}

/// Applies the instruction to local 0 in both halves of a vector.
fn vector(instruction: &[u8]) -> Vec<u8> {
    [&[0x20, 0, 0xfd, 0x12, 0xfd][..], instruction, &[0xfd, 0x1d, 0, 0x21, 0]].concat()
}

/// Calls a function of Preview 1 in an endless loop.
fn importing(name: &'static str, params: u32, arguments: &[u32]) -> Module {
    let pushed: Vec<u8> = arguments.iter().flat_map(|&argument| constant(argument)).collect();
    let body = forever(&[&pushed[..], &call(0), &[DROP]].concat());
    Module { imports: vec![(name, params)], ..alone_with(vec![(0, body)]) }
}
