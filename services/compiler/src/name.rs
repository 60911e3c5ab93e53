//! Names of code: a hash of everything that determines it.

use std::fmt;

use blake3::Hasher;

use crate::features::features;
use crate::settings::Settings;

/// Identifies the code of one module. Only holders of the service's key can compute it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name([u8; 32]);

/// Computes names.
pub struct Names {
    key: [u8; 32],
    revision: String,
    features: u64,
}

impl Names {
    /// Names of code made by the compiler `revision`, from `key`.
    pub fn new(key: [u8; 32], revision: &str) -> Self {
        Self { key, revision: revision.to_owned(), features: features() }
    }

    /// The name of the code of `module`.
    pub fn of(&self, module: &[u8], settings: Settings) -> Name {
        // The module comes first, so that its pieces are aligned to the hash's own, and has its length behind it.
        let mut hasher = Hasher::new_keyed(&self.key);
        hasher.update(module);
        hasher.update(&(module.len() as u64).to_le_bytes());
        hasher.update(&self.features.to_le_bytes());
        hasher.update(&[settings.number()]);
        hasher.update(self.revision.as_bytes());
        Name(*hasher.finalize().as_bytes())
    }
}

impl Name {
    /// Its bytes.
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The name that is written so, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text).ok()?;
        (hash.to_hex().as_str() == text).then_some(Self(*hash.as_bytes()))
    }

    /// As many digits as people need to recognise it.
    pub fn short(&self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(blake3::Hash::from_bytes(self.0).to_hex().as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_depend_on_everything_that_determines_the_code() {
        let names = |key: u8, revision: &str| Names::new([key; 32], revision);
        let plain = Settings::default();
        let mut all = vec![
            names(1, "a").of(b"module", plain),
            names(2, "a").of(b"module", plain),
            names(1, "b").of(b"module", plain),
            names(1, "a").of(b"modulf", plain),
            names(1, "a").of(b"module\0", plain),
            Names { features: !0, ..names(1, "a") }.of(b"module", plain),
        ];
        for number in 1..8_u8 {
            let settings = Settings {
                counts_fuel: number & 1 != 0,
                is_component: number & 2 != 0,
                is_portable: number & 4 != 0,
            };
            assert_eq!(settings.number(), number);
            all.push(names(1, "a").of(b"module", settings));
        }
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn names_are_written_in_one_way() {
        let name = Names::new([7; 32], "").of(b"", Settings::default());
        assert_eq!(Name::parse(&name.to_string()), Some(name));
        assert_eq!(Name::parse(&name.to_string().to_uppercase()), None);
        assert_eq!(Name::parse(&format!("{name}0")), None);
        assert_eq!(Name::parse(""), None);
    }
}
