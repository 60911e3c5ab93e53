//! Passes the type id of `Timer` and the number of a method to `bench-tiny`, which cannot use the generated
//! code.

use capos_schema::methods::timer;

fn main() {
    println!("cargo::rustc-env=TIMER_TYPE_ID={:x}", timer::INTERFACE_ID);
    println!("cargo::rustc-env=TIMER_NOW={:x}", timer::NOW);
    println!("cargo::rerun-if-changed=build.rs");
}
