//! Answers each line of its input until the input ends.

use std::io;

fn main() -> io::Result<()> {
    let mut count = 0u32;
    for line in io::stdin().lines() {
        println!("you said: {}", line?);
        count += 1;
    }
    println!("end of input after {count} lines");
    Ok(())
}
