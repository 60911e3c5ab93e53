//! Computes for ever, without a single call to its host.

fn main() {
    let mut turns = 0u64;
    loop {
        turns = std::hint::black_box(turns).wrapping_add(1);
    }
}
