//! Modules of which much is to be read before anything runs, and to be freed afterwards. Each ends at once.

use crate::assemble::{END, I32, Named, Parts, call, constant, leb, repeated, text, vector};

/// Entries of the sections that are long here.
pub(crate) const MANY: u32 = 99_900;
/// A name as long as one may be, but for its number, and one that is too long.
const NAME_BYTES: usize = 3_990;
const TOO_LONG: usize = 99_000;
/// A character that takes long to check.
const LONG_TO_CHECK: &str = "\u{10348}";

/// The modules, by name.
pub(crate) fn all() -> Vec<Named> {
    vec![
        ("many types", || Parts { types: types(MANY), ..parts() }.encode()),
        ("long types", || Parts { types: long_types(), ..parts() }.encode()),
        ("many imports", || Parts { imports: imports(MANY), ..parts() }.encode()),
        ("imports of one function", || {
            Parts { types: (1, writing()), imports: same_imports(), ..parts() }.encode()
        }),
        ("many functions", || Parts { functions: MANY, ..parts() }.encode()),
        ("half a million functions", || Parts { functions: 500_000, ..parts() }.encode()),
        ("many long functions", || Parts { functions: MANY, body: vec![1; 100], ..parts() }.encode()),
        ("many called functions", || {
            Parts { functions: 20_000, calls: true, body: vec![1; 20], ..parts() }.encode()
        }),
        ("many memories and tables", || Parts { memories: 16, tables: 63, ..parts() }.encode()),
        ("many globals", || Parts { globals: repeated(MANY, &[I32, 0, 0x41, 1, END]), ..parts() }.encode()),
        ("many exports", || Parts { exports: exports(MANY, 0), ..parts() }.encode()),
        ("long exports", || Parts { exports: exports(4_000, NAME_BYTES), ..parts() }.encode()),
        ("an export with too long a name", || Parts { exports: exports(10, TOO_LONG), ..parts() }.encode()),
        ("a long name twice", || Parts { exports: twice(), ..parts() }.encode()),
        ("long imports", || Parts { imports: long_imports(), ..parts() }.encode()),
        ("long custom sections", || Parts { custom: long_custom(), ..parts() }.encode()),
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
        ("much data", || Parts { pages: 256, data: data(16 << 20, 0), ..parts() }.encode()),
        ("much passive data", || Parts { data: data(16 << 20, 1), ..parts() }.encode()),
        ("many custom sections", || {
            Parts { custom: [0, 2, 1, b'x'].repeat(MANY as usize), ..parts() }.encode()
        }),
        ("a long custom section", || Parts { custom: custom("x", &vec![7; 16 << 20]), ..parts() }.encode()),
        ("a trap among names", || {
            Parts { functions: 1, custom: names(), body: vec![0], start: true, ..parts() }.encode()
        }),
        ("a trap among long names", || {
            Parts { functions: 1, custom: long_names(), body: vec![0], start: true, ..parts() }.encode()
        }),
        ("a trap in deep calls among functions", || {
            Parts { functions: MANY, body: call(MANY), start: true, ..parts() }.encode()
        }),
        ("a trap among functions", || {
            Parts {
                functions: MANY,
                body: [&constant(0)[..], &[0x0d, 0, 0]].concat(),
                start: true,
                ..parts()
            }
            .encode()
        }),
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
    let different = (0..8_000u32).flat_map(|index| {
        let mut params = vec![0x7f; 983];
        params.extend((0..17).map(|bit| if index >> bit & 1 == 0 { 0x7f } else { 0x7e }));
        [&[0x60][..], &vector(&params), &[0]].concat()
    });
    (8_000, different.collect())
}

/// Functions that nothing provides.
fn imports(count: u32) -> (u32, Vec<u8>) {
    let entries =
        (0..count).flat_map(|index| [text("nothing"), text(&format!("f{index}")), vec![0, 0]].concat());
    (count, entries.collect())
}

/// Exports of the first function, whose names are their numbers and so many bytes before.
fn exports(count: u32, bytes: usize) -> (u32, Vec<u8>) {
    let long = "x".repeat(bytes);
    let entries = (0..count).flat_map(|index| [text(&format!("{long}{index}")), vec![0, 0]].concat());
    (count, entries.collect())
}

/// Two exports of the same long name, which are one too many.
fn twice() -> (u32, Vec<u8>) {
    (2, [text(&"x".repeat(NAME_BYTES)), vec![0, 0]].concat().repeat(2))
}

/// Functions that nothing provides, with long names.
fn long_imports() -> (u32, Vec<u8>) {
    let long = "x".repeat(NAME_BYTES);
    let entries =
        (0..2_000).flat_map(|index| [text(&long), text(&format!("{long}{index}")), vec![0, 0]].concat());
    (2_000, entries.collect())
}

fn long_custom() -> Vec<u8> {
    custom(&LONG_TO_CHECK.repeat(TOO_LONG / LONG_TO_CHECK.len()), &[]).repeat(100)
}

/// A segment with an entry for each table element.
fn elements() -> (u32, Vec<u8>) {
    (1, [vec![0, 0x41, 0, END], leb(MANY), vec![0; MANY as usize]].concat())
}

/// The same of expressions.
fn expressions() -> (u32, Vec<u8>) {
    (1, [vec![4, 0x41, 0, END], leb(MANY), [0xd2, 0, END].repeat(MANY as usize)].concat())
}

/// A segment of so many bytes, active or passive.
fn data(length: usize, flags: u8) -> (u32, Vec<u8>) {
    let offset: &[u8] = if flags == 0 { &[0x41, 0, END] } else { &[] };
    (1, [&[flags], offset, &vector(&vec![7; length])].concat())
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    [vec![0], vector(&[text(name), content.to_vec()].concat())].concat()
}

/// Names for a million functions, of which the module has one.
fn names() -> Vec<u8> {
    let entries: Vec<u8> = (0..1_000_000).flat_map(|index| [leb(index), text("x")].concat()).collect();
    let map = [leb(1_000_000), entries].concat();
    custom("name", &[vec![1], vector(&map)].concat())
}

/// The type of `fd_write`, and imports of it.
fn writing() -> Vec<u8> {
    vec![0x60, 4, I32, I32, I32, I32, 1, I32]
}

fn same_imports() -> (u32, Vec<u8>) {
    repeated(MANY, &[text("wasi_snapshot_preview1"), text("fd_write"), vec![0, 2]].concat())
}

/// Names of functions that are nearly as long as a name may be, of characters that take long to check.
fn long_names() -> Vec<u8> {
    let long = text(&LONG_TO_CHECK.repeat(TOO_LONG / LONG_TO_CHECK.len()));
    let entries: Vec<u8> = (0..100).flat_map(|index| [leb(index), long.clone()].concat()).collect();
    let map = [leb(100), entries].concat();
    custom("name", &[vec![1], vector(&map)].concat())
}
