//! The well-known grants of `schema/grants.capnp`, and grants in messages.

#[cfg(not(target_os = "none"))]
use {
    crate::wasm_capnp::held_grant,
    capnp::{capability::FromClientHook, traits::HasTypeId},
};

pub use crate::grants_capnp::WellKnownGrant;

/// A grant whose source is the system itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnown {
    /// Its member of the schema's list.
    pub grant: WellKnownGrant,
    /// The field that grants it in a manifest.
    pub field: &'static str,
    /// The name under which its holder finds it.
    pub name: &'static str,
    /// The type id of its interface.
    pub interface_id: u64,
}

include!(concat!(env!("OUT_DIR"), "/grants.rs"));

impl WellKnown {
    /// The grant for this member of the list.
    #[must_use]
    pub fn of(grant: WellKnownGrant) -> &'static Self {
        // The list is generated from the enum's members, in their order.
        ALL.iter().find(|known| known.grant == grant).unwrap_or(&ALL[0])
    }

    /// The grant with this field in a manifest.
    #[must_use]
    pub fn with_field(field: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.field == field)
    }

    /// The grant with this name.
    #[must_use]
    pub fn with_name(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.name == name)
    }
}

impl AsRef<str> for WellKnown {
    fn as_ref(&self) -> &str {
        self.name
    }
}

/// The interface id for an unknown interface: the granter does not know it, and the interface that the holder requests is
/// assumed.
pub const UNKNOWN_INTERFACE: u64 = 0;

/// Writes `client` as a grant of an instance, with the name `name`.
#[cfg(not(target_os = "none"))]
pub fn hold<C: FromClientHook + HasTypeId>(
    mut to: held_grant::Builder<'_>,
    name: impl AsRef<str>,
    client: C,
) {
    to.set_name(name.as_ref());
    to.set_interface_id(C::TYPE_ID);
    to.init_capability().set_as_capability(client.into_client_hook());
}
