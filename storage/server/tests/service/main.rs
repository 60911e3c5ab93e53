//! A served volume as its clients see it.

mod files;
mod limits;
mod names;
mod recovery;
mod support;
