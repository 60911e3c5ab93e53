//! Writes lines without end.

fn main() {
    loop {
        println!("flood: the same line over and over again");
    }
}
