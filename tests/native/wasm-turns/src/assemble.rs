//! Generates small WebAssembly modules whose parts may be very large.

/// Encodings of value types and instructions.
pub(crate) const I32: u8 = 0x7f;
pub(crate) const I64: u8 = 0x7e;
pub(crate) const LOOP: [u8; 2] = [0x03, 0x40];
pub(crate) const BLOCK: [u8; 2] = [0x02, 0x40];
pub(crate) const END: u8 = 0x0b;
pub(crate) const BR_0: [u8; 2] = [0x0c, 0];
pub(crate) const DROP: u8 = 0x1a;

/// A module with one memory, one table, functions without parameters and results, of which the first is `_start`, and
/// imported functions of Preview 1 before them.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) pages: u32,
    pub(crate) elements: u32,
    /// Each with its number of `i32` parameters; all return an `i32`.
    pub(crate) imports: Vec<(&'static str, u32)>,
    /// Each with its number of `i64` locals.
    pub(crate) functions: Vec<(u32, Vec<u8>)>,
}

impl Module {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut types = vec![vec![0x60, 0, 0]];
        let mut imports = Vec::new();
        for (index, &(name, params)) in (1..).zip(&self.imports) {
            let params = vec![I32; params as usize];
            types.push([&[0x60][..], &vector(&params), &[1, I32]].concat());
            imports.push([text("wasi_snapshot_preview1"), text(name), vec![0], leb(index)].concat());
        }
        let functions = vec![vec![0]; self.functions.len()];
        let exports = vec![
            [text("_start"), vec![0], leb(self.imports.len() as u32)].concat(),
            [text("memory"), vec![2, 0]].concat(),
        ];
        let bodies = self.functions.iter().map(|(locals, body)| {
            let code = [vec![1], leb(*locals), vec![I64], body.clone(), vec![END]].concat();
            vector(&code)
        });
        let table = [vec![0x70, 0], leb(self.elements)].concat();
        let memory = [vec![0], leb(self.pages)].concat();
        [
            b"\0asm\x01\0\0\0".to_vec(),
            section(1, &types),
            section(2, &imports),
            section(3, &functions),
            section(4, &[table]),
            section(5, &[memory]),
            section(7, &exports),
            section(10, &bodies.collect::<Vec<_>>()),
        ]
        .concat()
    }
}

/// A module by name, made when it is needed.
pub(crate) type Named = (&'static str, fn() -> Vec<u8>);

const TYPE: [u8; 3] = [0x60, 0, 0];

/// A module of a function without parameters, results and body, and what more there is of each part: entries, with their number.
/// Type 1 has 900 parameters and results.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) types: (u32, Vec<u8>),
    pub(crate) imports: (u32, Vec<u8>),
    pub(crate) memories: u32,
    /// Of each memory; 16 at least.
    pub(crate) pages: u32,
    pub(crate) tables: u32,
    pub(crate) globals: (u32, Vec<u8>),
    pub(crate) exports: (u32, Vec<u8>),
    pub(crate) elements: (u32, Vec<u8>),
    pub(crate) data: (u32, Vec<u8>),
    /// Declarations of locals, and instructions, of the first function.
    pub(crate) code: Vec<u8>,
    /// More functions of this type and no locals, each with these instructions.
    pub(crate) functions: u32,
    pub(crate) function_type: u8,
    pub(crate) body: Vec<u8>,
    /// Whether the first function calls the others.
    pub(crate) calls: bool,
    /// Whether the last function is executed, too.
    pub(crate) start: bool,
    /// Whole sections.
    pub(crate) custom: Vec<u8>,
}

impl Parts {
    pub(crate) fn encode(self) -> Vec<u8> {
        let first = self.imports.0;
        let last = first + self.functions;
        let types = [&TYPE[..], &many_values(), &self.types.1].concat();
        let mut code = if self.code.is_empty() { vec![0] } else { self.code };
        if self.calls {
            code.extend((first + 1..=last).flat_map(call));
        }
        code.push(END);
        let more = vector(&[&[0], self.body.as_slice(), &[END]].concat());
        let codes = [vector(&code), more.repeat(self.functions as usize)].concat();
        let exports = [text("_start"), vec![0], leb(first), self.exports.1].concat();
        let start = if self.start { [vec![8], vector(&leb(last))].concat() } else { Vec::new() };
        let table = [vec![0x70, 0], leb(100_000)].concat();
        let (data_count, memories, tables) =
            (counted(12, self.data.0, &[]), self.memories.max(1), 1 + self.tables);
        [
            b"\0asm\x01\0\0\0".to_vec(),
            counted(1, 2 + self.types.0, &types),
            counted(2, self.imports.0, &self.imports.1),
            counted(
                3,
                1 + self.functions,
                &[vec![0], vec![self.function_type; self.functions as usize]].concat(),
            ),
            counted(4, tables, &table.repeat(tables as usize)),
            counted(5, memories, &[vec![0], leb(self.pages.max(16))].concat().repeat(memories as usize)),
            counted(6, self.globals.0, &self.globals.1),
            counted(7, 1 + self.exports.0, &exports),
            start,
            counted(9, self.elements.0, &self.elements.1),
            data_count,
            counted(10, 1 + self.functions, &codes),
            counted(11, self.data.0, &self.data.1),
            self.custom,
        ]
        .concat()
    }
}

pub(crate) fn repeated(count: u32, item: &[u8]) -> (u32, Vec<u8>) {
    (count, item.repeat(count as usize))
}

/// A number in LEB128.
pub(crate) fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// `i32.const`.
pub(crate) fn constant(value: u32) -> Vec<u8> {
    let mut value = i64::from(value.cast_signed());
    let mut bytes = vec![0x41];
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// `call`.
pub(crate) fn call(function: u32) -> Vec<u8> {
    [vec![0x10], leb(function)].concat()
}

/// The body in an endless loop.
pub(crate) fn forever(body: &[u8]) -> Vec<u8> {
    [&LOOP[..], body, &BR_0, &[END]].concat()
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    vector(text.as_bytes())
}

pub(crate) fn vector(bytes: &[u8]) -> Vec<u8> {
    [leb(bytes.len() as u32), bytes.to_vec()].concat()
}

fn section(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
    counted(id, items.len() as u32, &items.concat())
}

/// A section of `count` items.
fn counted(id: u8, count: u32, items: &[u8]) -> Vec<u8> {
    let content = [&leb(count), items].concat();
    [vec![id], vector(&content)].concat()
}

/// The type of a block with 900 parameters and results.
fn many_values() -> Vec<u8> {
    let values = vector(&[I32; 900]);
    [&[0x60], values.as_slice(), &values].concat()
}
