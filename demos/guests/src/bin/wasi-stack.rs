//! Recurses without end.

#[expect(unconditional_recursion, reason = "this program shows what a stack overflow does")]
fn deeper(depth: u64) -> u64 {
    deeper(std::hint::black_box(depth) + 1).wrapping_add(std::hint::black_box(depth))
}

fn main() {
    println!("stack: going down");
    println!("stack: {}", deeper(0));
}
