//! Futures, clients and servers on the ring.

mod ask;
mod call;
mod capabilities;
mod client;
mod endpoint;
mod error;
mod executor;
mod grant;
mod handle;
mod incoming;
mod mapped;
mod operation;
mod promise;
mod remote;
mod request;
mod server;
mod shared;
mod timer;

pub use ask::{Answered, Ask, Asking};
pub(crate) use call::Call;
pub(crate) use client::{Asked, borrowed_client};
pub use client::{local_server, serve, serve_rc};
pub use endpoint::{Endpoint, Minter, Revocable, attenuate, handle_of};
pub(crate) use executor::Executor;
pub use executor::{JoinHandle, block_on, push_calls, spawn_local, yield_now};
pub use grant::{
    Cap, GrantError, endpoint_factory, grant, grant_untyped, take_grant, take_grant_untyped, thread_spawner,
    virtual_memory,
};
pub(crate) use incoming::Incoming;
pub use mapped::{MappedMemory, SealedMemory, object_with};
pub(crate) use operation::Operations;
#[cfg(target_os = "hermit")]
pub(crate) use remote::OTHER_THREADS;
pub(crate) use server::Servers;
pub use server::serve_export;
pub use shared::{OutOfRange, SharedMemory, map_shared};
pub use timer::{Elapsed, now_ns, sleep, sleep_until, sleep_until_ns, with_deadline, with_deadline_ns};
