//! The resources of an instance: clocks, random bytes, streams, files and directories, each based on a Cap'n Proto
//! client.
//!
//! This layer is independent of the version of WASI: it has no error numbers, rights, descriptors or guest memory. All
//! operations fail with an [`Error`]. Data is passed to closures directly in the message, so that it is copied only once.

mod ask;
mod attributes;
mod clock;
mod console;
mod directory;
mod entropy;
mod error;
mod file;
mod grants;
mod held;
mod input;
mod output;
mod pipe;
mod push;

pub(crate) use attributes::{Attributes, Kind, SetTime};
pub(crate) use clock::Clocks;
pub use clock::{FastClock, FastSleep};
pub(crate) use directory::{Directory, Entry, More, OpenOptions, Opened, PathBytes};
pub(crate) use entropy::Entropy;
pub(crate) use error::Error;
pub(crate) use file::File;
pub use grants::{Grants, Preopen, Sink, Source};
pub(crate) use grants::{Holdings, StandardStream};
pub use held::{NamedGrant, WrongInterface, well_known};
pub(crate) use input::Input;
pub(crate) use output::Output;
pub use pipe::{PipeReader, PipeWriter, pipe};
pub(crate) use push::Push;
pub use push::set_push;
