//! Physical and virtual memory.
#![expect(unsafe_code, reason = "page tables and frames are memory that the compiler does not manage")]

pub mod frames;
pub mod heap;
mod init;
pub mod kernel_space;
pub mod physmap;
mod tables;

pub use init::init;
