use capos_rt::{block_on, virtual_memory};

const MEBIBYTE: usize = 1 << 20;

/// Tests allocations of all sizes, and that freed memory is returned: the process's budget could not hold all
/// of it.
pub(crate) fn all() {
    let mut vectors: Vec<Vec<u8>> = (0..1000).map(|index| vec![index as u8; index]).collect();
    vectors.retain(|vector| vector.len() % 3 == 0);
    let kept: usize = vectors.iter().map(Vec::len).sum();
    println!("small blocks: {kept} bytes kept");

    let mut passes = 0;
    for _ in 0..20 {
        let mut block = vec![0_u8; 8 * MEBIBYTE];
        for page in block.chunks_mut(4096) {
            page[0] = 1;
        }
        passes += usize::from(block.iter().step_by(4096).all(|&byte| byte == 1));
    }
    println!("large blocks: {passes} times 8 MiB in a budget of 16 MiB");

    let zeroed = vec![0_u64; 512 * MEBIBYTE];
    println!("untouched zeroes: {}", zeroed[zeroed.len() / 2]);

    let mut growing = Vec::new();
    for number in 0..300_000_u32 {
        growing.push(number);
    }
    let right = (0..).zip(&growing).all(|(expected, &number)| expected == number);
    println!("growing: {} numbers, {}", growing.len(), if right { "all there" } else { "damaged" });
    println!("address space of its own: {}", reserved());
}

/// The process may also call its own VirtualMemory.
fn reserved() -> &'static str {
    let reserved = block_on(async {
        let mut request = virtual_memory().reserve_request();
        request.get().set_length(4096);
        Ok::<_, capnp::Error>(request.send().promise.await?.get()?.get_address())
    });
    if reserved.is_ok_and(|address| address != 0) { "reserved" } else { "refused" }
}
