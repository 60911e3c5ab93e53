//! The arguments with which the service starts a worker.

use capos_codegen::Settings;

/// The compilation to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// The length of the module in bytes.
    pub(crate) length: u64,
    /// Whether it is a component.
    pub(crate) is_component: bool,
    /// The variant of the code.
    pub(crate) settings: Settings,
}

impl Arguments {
    /// Parses the arguments after the program's name.
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let length = words.next().and_then(|length| length.parse().ok()).ok_or("no length")?;
        let is_component = match words.next().as_deref() {
            Some("module") => false,
            Some("component") => true,
            other => return Err(format!("neither a module nor a component: {other:?}")),
        };
        let mut settings = Settings { counts_fuel: false, is_portable: false };
        for word in words {
            match word.as_str() {
                "fuel" => settings.counts_fuel = true,
                "portable" => settings.is_portable = true,
                other => return Err(format!("unknown setting {other:?}")),
            }
        }
        Ok(Self { length, is_component, settings })
    }
}
