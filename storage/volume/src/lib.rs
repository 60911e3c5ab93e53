//! Crash-safe volumes: directories and files on a block device.
//!
//! A [`Volume`] keeps names and attributes in a copy-on-write B-tree and file data in checksummed blocks that
//! are never overwritten while a durable state uses them. Operations are applied in order; [`Volume::sync`]
//! makes all of them durable at once. After any interruption the volume opens in the state produced by some
//! prefix of the completed operations that includes all synced ones. `docs/storage.md` has the argument.
//!
//! A [`Namespace`] is a directory with rights, as granted to a program. Paths never leave it.
//!
//! The library does no waiting of its own and runs wherever `std` and a [`BlockDevice`] are available.

mod blocks;
mod cache;
mod cached;
mod check;
mod data;
mod device;
mod dir;
mod entering;
mod error;
mod extent;
mod frames;
mod inode;
mod layout;
mod map;
mod namespace;
mod path;
mod pending;
mod quota;
mod record;
mod store;
mod volume;
mod writeback;

pub use cached::CachedFiles;
pub use check::{Problem, Report};
pub use data::{MAX_FILE_BYTES, MAX_WRITE_BYTES};
#[cfg(unix)]
pub use device::FileDevice;
pub use device::{BlockDevice, ImageDevice, MemDevice, SECTOR};
pub use dir::{Listed, MAX_NAME_BYTES, MAX_TARGET_BYTES};
pub use error::{Error, Result};
pub use inode::{Attributes, SetTime};
pub use layout::{BLOCK, MIN_DEVICE_BYTES, room_bytes};
pub use namespace::{Namespace, OpenFlags, Opened, Rights};
pub use path::{Last, MAX_LINKS_FOLLOWED, MAX_PATH_BYTES};
pub use quota::{QuotaLimits, QuotaUse};
pub use record::{Entry, Ino, Kind, ROOT};
pub use volume::{Clock, FormatOptions, Mode, Options, Trust, Usage, Volume};
