//! Hands the type id of `Timer` to `bench-tiny`, which cannot use the generated code.

use capnp::traits::HasTypeId as _;
use capos_schema::timer_capnp::timer;

fn main() {
    println!("cargo::rustc-env=TIMER_TYPE_ID={:x}", timer::Client::TYPE_ID);
    println!("cargo::rerun-if-changed=build.rs");
}
