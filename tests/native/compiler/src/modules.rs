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

/// A module with `functions` functions of `steps` steps each, of which each is a branch and a computation. `seed` makes
/// modules differ.
pub(crate) fn long(functions: usize, steps: usize, seed: u8) -> Vec<u8> {
    // One local of the type i32.
    let mut body = vec![1, 1, 0x7f];
    for step in 0..steps {
        let number = ((step * 7 + usize::from(seed)) & 0x3f) as u8;
        // block, local.get 0, br_if 0, local.get 0, i32.const, i32.mul, i32.const, i32.xor, local.set 0, end
        body.extend([
            0x02, 0x40, 0x20, 0, 0x0d, 0, 0x20, 0, 0x41, number, 0x6c, 0x41, 0x15, 0x73, 0x21, 0, 0x0b,
        ]);
    }
    body.push(0x0b);
    with_bodies(&vec![body; functions])
}

/// A module with one function that has `count` locals.
pub(crate) fn locals(count: usize) -> Vec<u8> {
    let mut body = vec![1];
    body.extend(leb(count));
    body.extend([0x7f, 0x0b]);
    with_bodies(&[body])
}

/// The empty component.
pub(crate) const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";
