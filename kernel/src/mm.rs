//! Physical and virtual memory.
#![expect(unsafe_code, reason = "page tables and frames are memory that the compiler does not manage")]

pub mod frames;
pub mod heap;
mod init;
pub mod kernel_space;
mod module;
mod objects;
mod page_list;
pub mod physmap;
mod ring;
mod space;
mod tables;
pub mod trial;
mod user;

pub use init::{TooLittleMemory, init};
pub use kernel_space::load_kernel_space;
pub use module::{module_bytes, module_frames};
pub use objects::{Freed, MemoryObject, MemoryObjects, ObjectId};
pub use ring::{RING_FRAMES, Ring};
pub use space::{Access, AddressSpace, FaultError, FrameBudget, SpaceError};
pub(crate) use user::copy_recent;
