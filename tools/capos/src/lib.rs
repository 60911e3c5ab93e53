//! The host side of capOS: checks CUE manifests, packs boot images, runs them in QEMU and measures them.
//!
//! The steps are deliberately separate: [`cue`] evaluates, [`manifest::decode`] turns JSON into typed values,
//! [`manifest::check`] finds errors that the types cannot rule out, [`binaries`] reads the programs,
//! [`manifest::convert`] writes Cap'n Proto, and [`pack`] lays out the image.

// These abort the program when a stream is closed or full; use `say` instead.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod bench;
pub mod binaries;
pub mod cli;
pub mod cue;
pub mod elf;
mod host_path;
pub mod image;
pub mod inspect;
pub mod interrupts;
pub mod iso;
pub mod manifest;
pub mod pack;
pub mod problem;
pub mod project;
pub mod qemu;
mod say;
pub mod volumes;
pub mod workplace;
