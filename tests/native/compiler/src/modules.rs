//! Modules in binary form.

const MAGIC: [u8; 8] = *b"\0asm\x01\0\0\0";

/// An unsigned number in LEB128.
pub(crate) fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// A section with its length.
fn section(id: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![id];
    bytes.extend(leb(contents.len()));
    bytes.extend_from_slice(contents);
    bytes
}

/// A module whose functions, without parameters and results, have these bodies.
pub(crate) fn with_bodies(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut module = MAGIC.to_vec();
    module.extend(section(1, &[1, 0x60, 0, 0]));
    let mut functions = leb(bodies.len());
    functions.resize(functions.len() + bodies.len(), 0);
    module.extend(section(3, &functions));
    let mut code = leb(bodies.len());
    for body in bodies {
        code.extend(leb(body.len()));
        code.extend_from_slice(body);
    }
    module.extend(section(10, &code));
    module
}

/// A module with one function that contains this number.
pub(crate) fn constant(number: u8) -> Vec<u8> {
    // No locals; i32.const, drop, end.
    with_bodies(&[vec![0, 0x41, number & 0x3f, 0x1a, 0x0b]])
}
