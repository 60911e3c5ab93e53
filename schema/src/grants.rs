//! The well-known grants of `schema/grants.capnp`, and grants in messages.

use crate::wasm_capnp::held_grant;
use capnp::capability::FromClientHook;
use capnp::traits::HasTypeId;

pub use crate::grants_capnp::WellKnownGrant;

/// A grant that the system itself is the source of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WellKnown {
    /// Its place in the schema's list.
    pub grant: WellKnownGrant,
    /// The field that grants it in a manifest.
    pub field: &'static str,
    /// The name under which its holder finds it.
    pub name: &'static str,
    /// The type id of the interface that it serves.
    pub interface_id: u64,
}

include!(concat!(env!("OUT_DIR"), "/grants.rs"));

impl WellKnown {
    /// The one at this place of the list.
    #[must_use]
    pub fn of(grant: WellKnownGrant) -> &'static Self {
        // The list is made of the enum's members, in their order.
        ALL.iter().find(|known| known.grant == grant).unwrap_or(&ALL[0])
    }

    /// The one that this field of a manifest grants.
    #[must_use]
    pub fn with_field(field: &str) -> Option<&'static Self> {
        ALL.iter().find(|known| known.field == field)
    }

    /// The one that its holder finds under this name.
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

/// An interface id that says nothing: the giver of a grant does not know which interface it serves, and the holder's word is
/// taken.
pub const UNKNOWN_INTERFACE: u64 = 0;

/// Writes `client` as what an instance is to hold under `name`.
pub fn hold<C: FromClientHook + HasTypeId>(
    mut to: held_grant::Builder<'_>,
    name: impl AsRef<str>,
    client: C,
) {
    to.set_name(name.as_ref());
    to.set_interface_id(C::TYPE_ID);
    to.init_capability().set_as_capability(client.into_client_hook());
}
