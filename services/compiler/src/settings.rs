//! The variant of code that a request asks for.

use capnp::Result;
use capos_schema::compiler_capnp::code_settings;

/// The part of `CodeSettings` that determines the code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The code counts fuel.
    pub counts_fuel: bool,
    /// A component rather than a module.
    pub is_component: bool,
    /// Bytecode for the portable interpreter.
    pub is_portable: bool,
}

impl Settings {
    /// Reads a message.
    ///
    /// # Errors
    /// If the kind is unknown.
    pub fn read(from: code_settings::Reader<'_>) -> Result<Self> {
        Ok(Self {
            counts_fuel: from.get_fuel(),
            is_component: from.get_kind()? == code_settings::Kind::Component,
            is_portable: from.get_portable(),
        })
    }

    /// The arguments of a worker for them, after the length.
    pub fn arguments(self) -> impl Iterator<Item = &'static str> {
        let kind = if self.is_component { "component" } else { "module" };
        let fuel = self.counts_fuel.then_some("fuel");
        let portable = self.is_portable.then_some("portable");
        std::iter::once(kind).chain(fuel).chain(portable)
    }

    /// A number that differs for different settings.
    pub(crate) fn number(self) -> u8 {
        u8::from(self.counts_fuel) | u8::from(self.is_component) << 1 | u8::from(self.is_portable) << 2
    }
}
