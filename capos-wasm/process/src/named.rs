//! The capabilities that the host holds for its instances, each as long as an instance may still need it.

use capnp::{Error, capability::Client};
use capos_schema::{
    grants::WellKnown,
    manifest_capnp::{grant_entry, instance_entry},
};
use capos_wasm::NamedGrant;
use std::{cell::RefCell, collections::BTreeMap};

/// A capability and the number of instances that have not received it yet.
struct Kept {
    client: Client,
    uses: usize,
}

/// The capabilities that were granted to the host only for its instances, by their names in the host's grants. Well-known
/// grants are not among them.
pub(crate) struct Named(RefCell<BTreeMap<String, Kept>>);

impl Named {
    /// Removes the capabilities that the entries list from the grants of the process.
    ///
    /// # Errors
    /// If an entry cannot be decoded. A missing grant is an error only of the instance that needs it.
    pub(crate) fn for_instances<'a>(
        instances: impl Iterator<Item = instance_entry::Reader<'a>>,
    ) -> capnp::Result<Self> {
        let mut kept: BTreeMap<String, Kept> = BTreeMap::new();
        for instance in instances {
            for grant in instance.get_grants()? {
                let held = held_as(grant)?;
                if WellKnown::with_name(held).is_some() {
                    continue;
                }
                if let Some(known) = kept.get_mut(held) {
                    known.uses += 1;
                } else if let Ok((client, _)) = capos_rt::take_grant_untyped(held) {
                    kept.insert(held.to_owned(), Kept { client, uses: 1 });
                }
            }
        }
        Ok(Self(RefCell::new(kept)))
    }

    /// The grants of one instance, including copies of the host's own well-known ones. When the last instance that
    /// needs a capability has received it, the host releases its own.
    pub(crate) fn of_instance(
        &self,
        entry: instance_entry::Reader<'_>,
    ) -> capnp::Result<(Vec<NamedGrant>, Vec<WellKnown>)> {
        let mut named = Vec::new();
        let mut own = Vec::new();
        for grant in entry.get_grants()? {
            let name = grant.get_name()?.to_string()?;
            let held = held_as(grant)?;
            let client = match WellKnown::with_name(held) {
                Some(known) => {
                    if known.name == name {
                        own.push(*known);
                    }
                    capos_rt::grant_untyped(held).ok().map(|(client, _)| client)
                }
                None => self.take(held),
            };
            let lacks =
                || Error::failed(format!("its entry grants {name:?}, which the host was not granted"));
            let client = client.ok_or_else(lacks)?;
            named.push(NamedGrant { name, interface: grant.get_interface_id(), client });
        }
        Ok((named, own))
    }

    fn take(&self, held: &str) -> Option<Client> {
        let mut all = self.0.borrow_mut();
        let kept = all.get_mut(held)?;
        kept.uses -= 1;
        if kept.uses == 0 {
            return all.remove(held).map(|kept| kept.client);
        }
        Some(Client::new(kept.client.hook.add_ref()))
    }
}

fn held_as(grant: grant_entry::Reader<'_>) -> capnp::Result<&str> {
    match grant.get_source().which()? {
        grant_entry::source::Held(name) => Ok(name?.to_str()?),
        _ => Err(Error::failed("a grant of an instance that its host does not hold".into())),
    }
}
