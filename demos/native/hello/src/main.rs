//! An ordinary Rust program. It needs the grant "console".

use capos_rt as _;

fn main() {
    println!("Hello from a native program on capOS");
}
