//! Endpoints, minting, attenuating and revoking: operations on capabilities other than calls.
#![expect(unsafe_code, reason = "submits entries without addresses")]

use super::capabilities::CLIENT_RIGHTS;
use super::client::{client_hook, ring_handle};
use super::error::from_code;
use super::handle::OwnedHandle;
use crate::bootstrap;
use crate::local;
use crate::methods::ENDPOINT_CREATE;
use crate::ring::SyncBuffer;
use capnp::Result;
use capnp::capability::FromClientHook;
use capos_abi::{CompletionEntry, ErrorCode, Handle, Opcode, Rights, SubmissionEntry, SubmissionFlags};
use capos_schema::endpoint_capnp::{self, endpoint_factory};
use std::rc::Rc;

/// User data of the synchronous operations here.
const USER_DATA: u64 = 1 << 63 | 1;

/// A new endpoint, owned by the caller.
pub(super) fn create() -> std::result::Result<Handle, ErrorCode> {
    let factory = bootstrap::get().ok_or(ErrorCode::BadCapability)?.endpoint_factory();
    let mut buffer = SyncBuffer::<8, 16>::new();
    let reply = buffer.call(factory, ENDPOINT_CREATE, None, |root| {
        root.init_as::<endpoint_factory::create_params::Builder<'_>>();
    })?;
    Ok(reply.capability)
}

/// Submits an entry that has no addresses and waits for it.
fn operate(entry: SubmissionEntry) -> std::result::Result<CompletionEntry, ErrorCode> {
    let entry = SubmissionEntry { user_data: USER_DATA, ..entry };
    // SAFETY: DERIVE, IDENTIFY and REVOKE do not access memory of the process.
    let completion = local::with_ring(|ring| unsafe { ring.call_sync(&entry) })?;
    match ErrorCode::from_raw(completion.status) {
        None => Ok(completion),
        Some(code) => Err(code),
    }
}

/// Like [`operate`], for operations that create a capability.
fn make(entry: SubmissionEntry) -> std::result::Result<Handle, ErrorCode> {
    operate(entry).map(|completion| Handle(completion.token))
}

/// A client capability of `endpoint` with `badge`.
pub(super) fn mint(endpoint: Handle, badge: u64, rights: Rights) -> std::result::Result<Handle, ErrorCode> {
    make(SubmissionEntry {
        opcode: Opcode::Derive as u8,
        flags: SubmissionFlags::MINT.bits(),
        rights: rights.bits(),
        cap: endpoint.0,
        badge,
        ..SubmissionEntry::default()
    })
}

/// The badge of `client`, if it is a client capability of `endpoint`, which this process receives from.
pub(super) fn identify(endpoint: Handle, client: Handle) -> std::result::Result<u64, ErrorCode> {
    let entry = SubmissionEntry {
        opcode: Opcode::Identify as u8,
        cap: endpoint.0,
        token: client.0,
        ..SubmissionEntry::default()
    };
    operate(entry).map(|completion| completion.badge)
}

fn revoke(handle: Handle) -> Result<()> {
    operate(SubmissionEntry { opcode: Opcode::Revoke as u8, cap: handle.0, ..SubmissionEntry::default() })
        .map(drop)
        .map_err(from_code)
}

fn owned_client<C: FromClientHook>(handle: Handle) -> C {
    C::new(client_hook(Rc::new(OwnedHandle::new(handle))))
}

/// The slot behind `client`, unless it is an object of this process or a promise.
#[must_use]
pub fn handle_of<C: FromClientHook>(client: &C) -> Option<Handle> {
    ring_handle(client.as_client_hook())
}

/// A client of the same capability with at most `rights`, derived from it.
///
/// # Errors
/// If the capability is gone, is an object of this process, or there is no free slot.
pub fn attenuate<C: FromClientHook>(client: &C, rights: Rights) -> Result<C> {
    let handle = handle_of(client).ok_or_else(|| from_code(ErrorCode::BadCapability))?;
    let entry = SubmissionEntry {
        opcode: Opcode::Derive as u8,
        rights: rights.bits(),
        cap: handle.0,
        ..SubmissionEntry::default()
    };
    make(entry).map(owned_client).map_err(from_code)
}

/// An endpoint whose receiving side is passed to another process. To serve in this process, use
/// [`serve`](super::serve).
#[derive(Debug)]
pub struct Endpoint(OwnedHandle);

impl Endpoint {
    /// Creates an endpoint.
    ///
    /// # Errors
    /// If a budget of the process is exhausted.
    pub fn new() -> Result<Self> {
        create().map(|handle| Self(OwnedHandle::new(handle))).map_err(from_code)
    }

    /// A client capability; the server receives `badge` with each of its calls.
    ///
    /// # Errors
    /// If a budget of the process is exhausted, or the endpoint was revoked.
    pub fn mint<C: FromClientHook>(&self, badge: u64) -> Result<C> {
        mint(self.0.get(), badge, CLIENT_RIGHTS).map(owned_client).map_err(from_code)
    }

    /// The right to mint clients of this endpoint without the right to receive. Calls of clients fail once no holder of the
    /// receiving side is left.
    ///
    /// # Errors
    /// As [`mint`](Self::mint).
    pub fn minter(&self) -> Result<Minter> {
        let entry = SubmissionEntry {
            opcode: Opcode::Derive as u8,
            rights: (Rights::MINT | Rights::TRANSFER).bits(),
            cap: self.0.get().0,
            ..SubmissionEntry::default()
        };
        make(entry).map(|handle| Minter(OwnedHandle::new(handle))).map_err(from_code)
    }

    /// The endpoint itself, for granting with the rights that the server needs. This value keeps ownership.
    #[must_use]
    pub fn receiver(&self) -> endpoint_capnp::endpoint::Client {
        super::borrowed_client(self.0.get())
    }
}

/// The right to mint clients of an endpoint that another process receives from.
#[derive(Debug)]
pub struct Minter(OwnedHandle);

impl Minter {
    /// A client capability; the server sees `badge` with each of its calls.
    ///
    /// # Errors
    /// As [`Endpoint::mint`].
    pub fn mint<C: FromClientHook>(&self, badge: u64) -> Result<C> {
        mint(self.0.get(), badge, CLIENT_RIGHTS).map(owned_client).map_err(from_code)
    }
}

/// A capability that is passed on and can be revoked.
pub struct Revocable<C> {
    client: C,
}

impl<C: FromClientHook + Clone> Revocable<C> {
    /// A revocable client of `client`: of an object of this process, or of a received capability.
    ///
    /// # Errors
    /// If a budget of the process is exhausted, or `client` is a promise.
    pub fn new(client: &C) -> Result<Self> {
        let hook = client.as_client_hook();
        if ring_handle(hook).is_some() {
            return Ok(Self { client: attenuate(client, Rights::all())? });
        }
        let local = local::current();
        let (endpoint, badge) = local.servers.export(local, hook.add_ref()).map_err(from_code)?;
        match mint(endpoint, badge, CLIENT_RIGHTS) {
            Ok(handle) => Ok(Self { client: owned_client(handle) }),
            Err(code) => {
                local.servers.forget(badge);
                Err(from_code(code))
            }
        }
    }

    /// The client to pass on.
    #[must_use]
    pub fn client(&self) -> C {
        self.client.clone()
    }

    /// Revokes it: all calls fail from now on, and so do those in progress.
    ///
    /// # Errors
    /// If it was itself revoked.
    pub fn revoke(&self) -> Result<()> {
        revoke(handle_of(&self.client).unwrap_or_default())
    }
}
