//! Modules of which much is to be read before anything runs, and to be freed afterwards. Each ends at once.

use crate::assemble::{END, I32, Named, Parts, leb, repeated, text, vector};

/// Entries of the sections that are long here.
pub(crate) const MANY: u32 = 99_900;

/// The modules, by name.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("many types", || Parts { types: types(MANY), ..parts() }.encode()),
        ("long types", || Parts { types: long_types(), ..parts() }.encode()),
        ("many imports", || Parts { imports: imports(MANY), ..parts() }.encode()),
        ("many functions", || Parts { functions: MANY, ..parts() }.encode()),
        ("many long functions", || Parts { functions: MANY, body: vec![1; 100], ..parts() }.encode()),
        ("many called functions", || {
            Parts { functions: 20_000, calls: true, body: vec![1; 20], ..parts() }.encode()
        }),
        ("many memories and tables", || Parts { memories: 16, tables: 63, ..parts() }.encode()),
        ("many globals", || Parts { globals: repeated(MANY, &[I32, 0, 0x41, 1, END]), ..parts() }.encode()),
        ("many exports", || Parts { exports: exports(MANY), ..parts() }.encode()),
        ("many elements", || Parts { elements: elements(), ..parts() }.encode()),
        ("many expressions", || Parts { elements: expressions(), ..parts() }.encode()),
        ("many segments of elements", || {
            Parts { elements: repeated(MANY, &[0, 0x41, 0, END, 2, 0, 0]), ..parts() }.encode()
        }),
        ("many passive segments", || {
            Parts { elements: repeated(MANY, &[1, 0, 2, 0, 0]), ..parts() }.encode()
        }),
        ("many segments of data", || {
            Parts { data: repeated(MANY, &[0, 0x41, 0, END, 1, 7]), ..parts() }.encode()
        }),
        ("many passive data", || Parts { data: repeated(MANY, &[1, 1, 7]), ..parts() }.encode()),
    ]
}

fn parts() -> Parts {
    Parts::default()
}

/// So many types that all differ, by which parameters they have.
fn types(count: u32) -> (u32, Vec<u8>) {
    let different = (0..count).flat_map(|index| {
        let params: Vec<u8> = (0..17).map(|bit| if index >> bit & 1 == 0 { 0x7f } else { 0x7e }).collect();
        [&[0x60][..], &vector(&params), &[0]].concat()
    });
    (count, different.collect())
}

/// Types of 1,000 parameters that differ in the last.
fn long_types() -> (u32, Vec<u8>) {
    let different = (0..2_000u32).flat_map(|index| {
        let mut params = vec![0x7f; 983];
        params.extend((0..17).map(|bit| if index >> bit & 1 == 0 { 0x7f } else { 0x7e }));
        [&[0x60][..], &vector(&params), &[0]].concat()
    });
    (2_000, different.collect())
}

/// Functions that nothing provides.
fn imports(count: u32) -> (u32, Vec<u8>) {
    let entries =
        (0..count).flat_map(|index| [text("nothing"), text(&format!("f{index}")), vec![0, 0]].concat());
    (count, entries.collect())
}

/// Exports of the first function, whose names are their numbers.
fn exports(count: u32) -> (u32, Vec<u8>) {
    let entries = (0..count).flat_map(|index| [text(&index.to_string()), vec![0, 0]].concat());
    (count, entries.collect())
}

/// A segment with an entry for each table element.
fn elements() -> (u32, Vec<u8>) {
    (1, [vec![0, 0x41, 0, END], leb(MANY), vec![0; MANY as usize]].concat())
}

/// The same of expressions.
fn expressions() -> (u32, Vec<u8>) {
    (1, [vec![4, 0x41, 0, END], leb(MANY), [0xd2, 0, END].repeat(MANY as usize)].concat())
}
