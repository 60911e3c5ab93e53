//! The capabilities that this process was started with.

use super::client::{borrowed_client, client_hook};
use super::handle::OwnedHandle;
use crate::bootstrap;
use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use capos_abi::Handle;
use capos_schema::{endpoint_capnp, grants::UNKNOWN_INTERFACE, memory_capnp, process_capnp};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Mutex;

/// The reason why a grant is unavailable.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GrantError {
    /// No capability was granted under this name, or it was taken.
    Missing {
        /// The requested name.
        name: String,
    },
    /// The capability granted under this name serves another interface.
    WrongInterface {
        /// The requested name.
        name: String,
        /// Type id of the requested interface.
        expected: u64,
        /// Type id of the granted interface.
        found: u64,
    },
}

impl fmt::Display for GrantError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(formatter, "no capability was granted as \"{name}\""),
            Self::WrongInterface { name, expected, found } => write!(
                formatter,
                "the grant \"{name}\" serves interface @{found:#018x}, not @{expected:#018x}"
            ),
        }
    }
}

impl Error for GrantError {}

impl From<GrantError> for capnp::Error {
    fn from(error: GrantError) -> Self {
        Self::failed(error.to_string())
    }
}

/// Names of taken grants.
static TAKEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The handle granted as `name`.
pub(super) fn find_grant(name: &str, interface: u64) -> Result<Handle, GrantError> {
    match find_any(name)? {
        // The requested interface is assumed; calls fail as `unimplemented` if it is wrong.
        (handle, found) if found == interface || found == UNKNOWN_INTERFACE => Ok(handle),
        (_, found) => Err(GrantError::WrongInterface { name: name.into(), expected: interface, found }),
    }
}

/// The handle granted as `name`, and the type id of its interface.
fn find_any(name: &str) -> Result<(Handle, u64), GrantError> {
    let taken = TAKEN.lock().is_ok_and(|taken| taken.contains(name));
    let found = if taken { None } else { bootstrap::get().and_then(|bootstrap| bootstrap.find(name)) };
    found.ok_or_else(|| GrantError::Missing { name: name.into() })
}

fn set_taken(name: &str) {
    if let Ok(mut taken) = TAKEN.lock() {
        taken.insert(name.into());
    }
}

/// A client of the capability granted as `name`, a string or one of [`capos_schema::grants`]. The process keeps the grant
/// when the client is dropped; use [`take_grant`] to give it up.
///
/// # Errors
/// If there is no such grant, or it serves another interface.
pub fn grant<C: FromClientHook + HasTypeId>(name: impl AsRef<str>) -> Result<C, GrantError> {
    find_grant(name.as_ref(), C::TYPE_ID).map(borrowed_client)
}

/// Removes the capability granted as `name` from the set of grants: it is released with the last client.
///
/// # Errors
/// If there is no such grant, or it serves another interface.
pub fn take_grant<C: FromClientHook + HasTypeId>(name: impl AsRef<str>) -> Result<Cap<C>, GrantError> {
    let name = name.as_ref();
    let handle = find_grant(name, C::TYPE_ID)?;
    set_taken(name);
    Ok(Cap::from_raw(handle))
}

/// A client of the capability granted as `name`, whatever its interface, and the type id of that;
/// [`UNKNOWN_INTERFACE`] if the granter does not know it. The process keeps the grant.
///
/// # Errors
/// If there is no such grant.
pub fn grant_untyped(name: impl AsRef<str>) -> Result<(Client, u64), GrantError> {
    find_any(name.as_ref()).map(|(handle, interface)| (borrowed_client(handle), interface))
}

/// Like [`grant_untyped`], and removes the capability from the set of grants: it is released with the last
/// client.
///
/// # Errors
/// If there is no such grant.
pub fn take_grant_untyped(name: impl AsRef<str>) -> Result<(Client, u64), GrantError> {
    let (handle, interface) = find_any(name.as_ref())?;
    set_taken(name.as_ref());
    Ok((Cap::from_raw(handle).into_client(), interface))
}

/// This process's own address space.
///
/// # Panics
/// In a process without bootstrap pages; so do the functions below.
#[must_use]
pub fn virtual_memory() -> memory_capnp::virtual_memory::Client {
    borrowed_client(own().virtual_memory())
}

/// This process's thread and fault control.
#[must_use]
pub fn thread_spawner() -> process_capnp::thread_spawner::Client {
    borrowed_client(own().thread_spawner())
}

/// The factory of endpoints for this process.
#[must_use]
pub fn endpoint_factory() -> endpoint_capnp::endpoint_factory::Client {
    borrowed_client(own().endpoint_factory())
}

fn own() -> &'static bootstrap::Bootstrap {
    let Some(bootstrap) = bootstrap::get() else { panic!("not a capOS process") };
    bootstrap
}

/// An owned slot of the capability table whose object has the interface of the client type `C`. Unlike a
/// client it can be sent between threads. Dropping it releases the slot.
#[derive(Debug)]
pub struct Cap<C> {
    handle: ManuallyDrop<OwnedHandle>,
    interface: PhantomData<fn() -> C>,
}

impl<C: FromClientHook> Cap<C> {
    /// Takes ownership of `handle`, which is assumed to have the interface `C`. If that is wrong, calls fail.
    #[must_use]
    pub fn from_raw(handle: Handle) -> Self {
        Self { handle: ManuallyDrop::new(OwnedHandle::new(handle)), interface: PhantomData }
    }

    /// The slot.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.get()
    }

    /// A client, which releases the slot when its last clone is dropped.
    #[must_use]
    pub fn into_client(self) -> C {
        let handle = self.into_raw();
        C::new(client_hook(Rc::new(OwnedHandle::new(handle))))
    }

    /// The slot, whose ownership passes to the caller.
    #[must_use]
    pub fn into_raw(self) -> Handle {
        let this = ManuallyDrop::new(self);
        this.handle.get()
    }
}

impl<C> Drop for Cap<C> {
    fn drop(&mut self) {
        drop(OwnedHandle::new(self.handle.get()));
    }
}
