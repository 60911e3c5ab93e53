//! A served volume, tested through its clients.

mod files;
mod grants;
mod limits;
mod names;
mod recovery;
mod support;
