//! A served volume, tested through its clients.

mod files;
mod limits;
mod names;
mod recovery;
mod support;
