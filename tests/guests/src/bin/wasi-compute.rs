//! Computes without calling anything, and prints what each of four kernels cost as `name value unit`, each name after the
//! variable `PREFIX`.
//!
//! Meant to run under QEMU's `-icount shift=0`, where a nanosecond is an instruction. With arguments, runs the named kernels
//! without a clock: so that what the same module costs in another runtime can be counted from outside.

use std::env;
use std::hint::black_box;
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// A kernel: its name, its work, and the result that it must have.
type Kernel = (&'static str, fn() -> u64, u64);

const KERNELS: [Kernel; 4] = [
    ("fib", || fib(black_box(30)), 832_040),
    ("matmul", matmul, 47_165_580),
    ("sieve", || sieve(black_box(1_000_000)), 78_498),
    ("sha256", || sha256(black_box(10_000)), 2_354_356_845_621_324_998),
];

/// Calls: Fibonacci's numbers as their definition has them.
fn fib(n: u64) -> u64 {
    if n < 2 { n } else { fib(n - 1) + fib(n - 2) }
}

const SIDE: usize = 64;
const PRODUCTS: usize = 20;

/// Floating point and indexing: products of matrices.
fn matmul() -> u64 {
    let row = |factor: usize| {
        let mut matrix = vec![0.0f64; SIDE * SIDE];
        for (index, value) in matrix.iter_mut().enumerate() {
            *value = (index * factor % 7) as f64;
        }
        matrix
    };
    let (left, right) = (row(3), row(5));
    let mut trace = 0.0;
    for _ in 0..PRODUCTS {
        let mut product = vec![0.0; SIDE * SIDE];
        for (line, out) in product.chunks_exact_mut(SIDE).enumerate() {
            for (column, out) in out.iter_mut().enumerate() {
                let factors = left[line * SIDE..][..SIDE].iter().zip(right[column..].iter().step_by(SIDE));
                *out = factors.map(|(one, other)| one * other).sum();
            }
        }
        trace += black_box(product).iter().sum::<f64>();
    }
    trace as u64
}

/// Memory: the count of the primes below `limit`.
fn sieve(limit: usize) -> u64 {
    let mut composite = vec![false; limit];
    let mut count = 0;
    for number in 2..limit {
        if !composite[number] {
            count += 1;
            // Smaller multiples have a smaller factor.
            for multiple in (number.saturating_mul(number)..limit).step_by(number) {
                composite[multiple] = true;
            }
        }
    }
    count
}

/// Integers and rotations: so many blocks of SHA-256. The first bytes of the hash.
fn sha256(blocks: usize) -> u64 {
    let mut hash = Sha256::new();
    let block = [0x5a; 64];
    for _ in 0..blocks {
        hash.update(block);
    }
    let hash = hash.finalize();
    u64::from_be_bytes(hash[..8].try_into().unwrap_or_default())
}

fn run((name, kernel, expected): Kernel) {
    let found = kernel();
    assert_eq!(found, expected, "the result of {name}");
}

fn main() {
    let named: Vec<_> = env::args().skip(1).collect();
    if !named.is_empty() {
        return KERNELS.into_iter().filter(|kernel| named.iter().any(|name| name == kernel.0)).for_each(run);
    }
    let prefix = env::var("PREFIX").unwrap_or_else(|_| "wasm".to_owned());
    for kernel in KERNELS {
        let start = Instant::now();
        run(kernel);
        println!("{prefix}_{} {} instructions", kernel.0, start.elapsed().as_nanos());
    }
}
