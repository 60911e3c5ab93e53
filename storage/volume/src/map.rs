//! Block maps of files: records of up to 64 blocks each, with a checksum for every block.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Blocks in one record.
pub(crate) const GROUP: u64 = 64;

/// Maximum size of a record, with its key and overhead: a hole between two blocks is filled with empty entries.
pub(crate) const GROUP_BYTES: u64 = GROUP * 8 + 64;

/// A stored block: its place and the checksum of its content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    /// Block number on the device; 0, which is never a data block, means a hole.
    pub(crate) block: u32,
    pub(crate) sum: u32,
}

impl Mapping {
    pub(crate) fn is_hole(self) -> bool {
        self.block == 0
    }
}

/// The checksum of a block. It covers the file and the position, so a block that was stored at or read from
/// the wrong place fails it.
pub(crate) fn block_sum(ino: u64, index: u64, data: &[u8]) -> u32 {
    xxh3_64_with_seed(data, ino.rotate_left(40) ^ index) as u32
}

/// The mappings of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group(pub(crate) [Mapping; GROUP as usize]);

impl Default for Group {
    fn default() -> Self {
        Self([Mapping::default(); GROUP as usize])
    }
}

impl Group {
    pub(crate) fn get(&self, index: u64) -> Mapping {
        self.0[(index % GROUP) as usize]
    }

    pub(crate) fn set(&mut self, index: u64, mapping: Mapping) {
        self.0[(index % GROUP) as usize] = mapping;
    }

    /// Position of the first block, then the mappings up to the last; `None` for a group of holes.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let first = self.0.iter().position(|m| !m.is_hole())?;
        let last = self.0.iter().rposition(|m| !m.is_hole())?;
        let mut out = Vec::with_capacity(1 + 8 * (last - first + 1));
        out.push(first as u8);
        for mapping in &self.0[first..=last] {
            out.extend_from_slice(&mapping.block.to_le_bytes());
            out.extend_from_slice(&mapping.sum.to_le_bytes());
        }
        Some(out)
    }

    pub(crate) fn decode(value: &[u8]) -> Option<Self> {
        let (first, rest) = value.split_first()?;
        let mut group = Self::default();
        let targets = group.0.get_mut(usize::from(*first)..)?;
        let (pairs, []) = rest.as_chunks::<8>() else { return None };
        if pairs.len() > targets.len() {
            return None;
        }
        for (target, [a, b, c, d, e, f, g, h]) in targets.iter_mut().zip(pairs) {
            target.block = u32::from_le_bytes([*a, *b, *c, *d]);
            target.sum = u32::from_le_bytes([*e, *f, *g, *h]);
        }
        Some(group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_survives_its_encoding() {
        let mut group = Group::default();
        assert_eq!(group.encode(), None);
        group.set(64 + 3, Mapping { block: 7, sum: 9 });
        group.set(63, Mapping { block: 8, sum: 1 });
        let bytes = group.encode().unwrap();
        assert_eq!(bytes.len(), 1 + 8 * 61);
        assert_eq!(Group::decode(&bytes), Some(group));
        assert_eq!(Group::decode(&bytes[..bytes.len() - 1]), None);
        assert_eq!(Group::decode(&[60; 1 + 8 * 5]), None);
    }
}
