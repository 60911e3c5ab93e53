//! Mutated real modules.

use crate::Random;
use wasmparser::{Parser, Payload};

/// Operators with the same operand and result types.
const ALIKE: &[&[u8]] = &[
    &[0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78],
    &[0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x4e, 0x4f],
    &[0x7c, 0x7d, 0x7e, 0x7f, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85],
];

/// `i32.const` and `i64.const`.
const CONSTANTS: &[u8] = &[0x41, 0x42];

/// A module to mutate, with the positions at which changes mostly keep it valid.
#[derive(Clone, Debug)]
pub struct Original {
    module: Vec<u8>,
    /// Bytes of constants and of data.
    numbers: Vec<usize>,
    /// Positions of operators that others can replace.
    operators: Vec<usize>,
}

impl Original {
    /// Finds the positions for changes in `module`, which must not be empty.
    pub fn new(module: Vec<u8>) -> Self {
        let mut original = Self { module, numbers: Vec::new(), operators: Vec::new() };
        let module = std::mem::take(&mut original.module);
        for payload in Parser::new(0).parse_all(&module).map_while(Result::ok) {
            match payload {
                Payload::CodeSectionEntry(body) => {
                    let Ok(reader) = body.get_operators_reader() else { continue };
                    let places = reader.into_iter_with_offsets().map_while(Result::ok).map(|(_, at)| at);
                    original.look_at_code(&module, &places.collect::<Vec<_>>());
                }
                Payload::DataSection(section) => {
                    for data in section.into_iter().map_while(Result::ok) {
                        original.numbers.extend(data.range.end - data.data.len()..data.range.end);
                    }
                }
                _ => {}
            }
        }
        original.module = module;
        original
    }

    fn look_at_code(&mut self, module: &[u8], places: &[usize]) {
        let is_one_of = |at: usize, set: &[u8]| module.get(at).is_some_and(|byte| set.contains(byte));
        for pair in places.windows(2) {
            let &[at, next] = pair else { continue };
            if is_one_of(at, CONSTANTS) {
                // The last byte of the longest encodings has only some significant bits.
                let spare = usize::from(matches!(next - at, 6 | 11));
                self.numbers.extend(at + 1..next - spare);
            }
            if ALIKE.iter().any(|group| is_one_of(at, group)) {
                self.operators.push(at);
            }
        }
    }

    /// Mostly the same program with other numbers and operators; occasionally with arbitrary bytes changed.
    pub fn changed(&self, random: &mut Random) -> Vec<u8> {
        let mut module = self.module.clone();
        match random.below(4) {
            0 => change_anything(&mut module, random),
            _ => self.change_meaning(&mut module, random),
        }
        module
    }

    fn change_meaning(&self, module: &mut [u8], random: &mut Random) {
        for _ in 0..=random.below(24) {
            let number = self.numbers.get(random.below(self.numbers.len()));
            if let Some(byte) = number.and_then(|&at| module.get_mut(at)) {
                // The highest bit of a constant's byte is a continuation flag.
                *byte = *byte & 0x80 | random.number() as u8 & 0x7f;
            }
            let operator = self.operators.get(random.below(self.operators.len()));
            if let Some(byte) = operator.and_then(|&at| module.get_mut(at))
                && let Some(group) = ALIKE.iter().find(|group| group.contains(byte))
                && let Some(other) = group.get(random.below(group.len()))
            {
                *byte = *other;
            }
        }
    }
}

fn change_anything(module: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(3) {
        let at = random.below(module.len());
        match (random.below(4), module.get_mut(at)) {
            (0, Some(_)) => drop(module.remove(at)),
            (1, Some(_)) => module.insert(at, random.number() as u8),
            (_, Some(byte)) => *byte ^= 1 << random.below(8),
            (_, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Original;
    use crate::{Random, generated};
    use wasmparser::Parser;

    /// Imports, code and data, from the generator itself.
    fn module(seed: u64) -> Vec<u8> {
        generated(&mut Random::new(seed), b"\0asm\x01\0\0\0")
    }

    #[test]
    fn the_same_seed_gives_the_same_module() {
        assert_eq!(module(1), module(1));
        assert_ne!(module(1), module(2));
        let original = Original::new(module(1));
        let changed = |seed| original.changed(&mut Random::new(seed));
        assert_eq!(changed(5), changed(5));
        assert!((0..20).any(|seed| changed(seed) != original.module));
    }

    #[test]
    fn most_changes_leave_a_module_readable() {
        let mut random = Random::new(9);
        let original = Original::new(module(3));
        let readable = |module: &[u8]| Parser::new(0).parse_all(module).all(|payload| payload.is_ok());
        assert!(readable(&original.module));
        let count = (0..200).filter(|_| readable(&original.changed(&mut random))).count();
        assert!((100..200).contains(&count), "{count} of 200 are readable");
    }
}
