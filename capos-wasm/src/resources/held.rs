//! Capabilities that an instance holds by name, regardless of whether its imports can use them.

use capnp::capability::{Client, FromClientHook};
use capos_schema::grants::{UNKNOWN_INTERFACE, WellKnown};
use std::fmt;

/// A capability with its name.
pub struct NamedGrant {
    /// The name.
    pub name: String,
    /// The type id of its interface; [`UNKNOWN_INTERFACE`] if the granter does not know it.
    pub interface: u64,
    /// The capability, untyped.
    pub client: Client,
}

/// A grant under a well-known name that has a different interface than the name implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongInterface {
    known: WellKnown,
    found: u64,
}

impl fmt::Display for WrongInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WellKnown { name, interface_id, .. } = self.known;
        write!(f, "the grant {name:?} serves interface @{:#x}, not @{interface_id:#x}", self.found)
    }
}

impl std::error::Error for WrongInterface {}

/// The capability among `grants` with the name of `known`, as a client of its interface.
///
/// # Errors
/// If it has another interface.
pub fn well_known<C: FromClientHook>(
    grants: &[NamedGrant],
    known: &WellKnown,
) -> Result<Option<C>, WrongInterface> {
    match grants.iter().find(|grant| grant.name == known.name) {
        None => Ok(None),
        Some(grant) if [known.interface_id, UNKNOWN_INTERFACE].contains(&grant.interface) => {
            Ok(Some(C::new(grant.client.hook.add_ref())))
        }
        Some(grant) => Err(WrongInterface { known: *known, found: grant.interface }),
    }
}
