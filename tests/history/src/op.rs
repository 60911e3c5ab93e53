//! The operations.

/// Number of directories and, in each and above them, of files that operations name.
const DIRECTORIES: u64 = 3;
const FILES: u64 = 4;
/// Maximum offset in a file that operations use.
const REACH: u64 = 30_000;
const MOST_WRITTEN: u64 = 12_000;

/// An operation. Names may or may not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Creates a file, unless it exists.
    Create(String),
    /// Writes [`content`] of this length.
    Write {
        /// The file.
        path: String,
        /// The offset.
        offset: u64,
        /// The length.
        length: usize,
    },
    /// Writes at the end.
    Append(String, usize),
    /// Truncates or extends a file.
    SetSize(String, u64),
    /// Moves a file, or a directory with its content.
    Rename(String, String),
    /// Removes a file.
    Unlink(String),
    /// Creates a directory.
    MakeDirectory(String),
    /// Removes an empty directory.
    RemoveDirectory(String),
    /// Makes all earlier operations durable.
    Sync,
}

/// Random numbers of one operation.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn directory(&mut self) -> String {
        format!("d{}", self.below(DIRECTORIES))
    }

    fn file(&mut self) -> String {
        let name = format!("f{}", self.below(FILES));
        if self.below(4) == 0 { name } else { format!("{}/{name}", self.directory()) }
    }
}

impl Op {
    /// Operation `number` of the history `seed`.
    #[must_use]
    pub fn number(seed: u64, number: u64) -> Self {
        let mut random =
            Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number.wrapping_mul(0x9fb2_1c65_1e98_df25));
        match random.below(100) {
            0..16 => Self::Create(random.file()),
            16..38 => {
                let (path, offset) = (random.file(), random.below(REACH));
                Self::Write { path, offset, length: 1 + random.below(MOST_WRITTEN) as usize }
            }
            38..52 => Self::Append(random.file(), 1 + random.below(200) as usize),
            52..60 => Self::SetSize(random.file(), random.below(REACH)),
            60..70 => Self::Rename(random.file(), random.file()),
            70..74 => Self::Rename(random.directory(), random.directory()),
            74..80 => Self::Unlink(random.file()),
            80..88 => Self::MakeDirectory(random.directory()),
            88..91 => Self::RemoveDirectory(random.directory()),
            _ => Self::Sync,
        }
    }
}

/// The data that operation `number` writes.
#[must_use]
pub fn content(number: u64, length: usize) -> Vec<u8> {
    (0..length as u64).map(|i| (number.wrapping_mul(31) ^ ((i * i) >> 3)) as u8).collect()
}
