//! The platform of wasmtime's runtime on capOS, for programs that run code which the compiler service generated.
//!
//! Code arrives as sealed memory objects; there is no compiler in such a program, and it may create no code. Memories and
//! stacks are address space of the process, faults of guests are traps, and an alarm interrupts a guest in its code.
#![cfg(target_os = "hermit")]

mod code;
mod faults;
mod image;
mod interruption;
mod machine;
mod memory;
mod pool;
mod stacks;
mod thread;

pub use machine::machine;
