//! Allocates memory without end.

fn main() {
    println!("hog: taking memory");
    let mut taken: Vec<Vec<u8>> = Vec::new();
    loop {
        taken.push(vec![1; 1 << 20]);
        std::hint::black_box(&taken);
    }
}
