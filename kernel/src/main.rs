//! The capOS kernel: capabilities, message passing, address spaces and threads; nothing more.
//!
//! `arch` contains everything specific to the processor and the machine, `mm` everything that turns an
//! address into memory. No other module may contain `unsafe`. The decisions that need neither are in
//! `capos-kernel-core`, where they are tested on the host.
#![no_std]
#![no_main]
#![expect(unreachable_pub, reason = "in a program, `pub` marks what a module offers to its siblings")]

extern crate alloc;

mod arch;
mod boot;
mod budget;
mod check;
mod clock;
mod console;
mod ipc;
mod kernel;
mod line;
mod log;
mod measure;
mod mm;
mod objects;
mod panic;
mod syscall;
mod system;
