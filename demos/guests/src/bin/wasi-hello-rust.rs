//! Prints one line on the granted console.

fn main() {
    println!("Hello from WASI on capOS");
}
