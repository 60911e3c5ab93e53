//! Draws from the source that stands in for the system's own, and says what it is like.

use capos_schema::entropy_capnp::{MAX_FILL_BYTES, entropy_source};

async fn draw(source: &entropy_source::Client, length: u32) -> capnp::Result<Vec<u8>> {
    let mut request = source.fill_request();
    request.get().set_length(length);
    Ok(request.send().promise.await?.get()?.get_bytes()?.to_vec())
}

async fn run() -> capnp::Result<()> {
    let source = capos_rt::grant(capos_schema::grants::ENTROPY)?;
    let (first, second) = (draw(&source, MAX_FILL_BYTES).await?, draw(&source, MAX_FILL_BYTES).await?);
    println!(
        "{} and {} bytes, {}",
        first.len(),
        second.len(),
        if first == second { "the same" } else { "other ones" }
    );
    let zeros = first.iter().filter(|byte| **byte == 0).count();
    println!("{}", if zeros < 64 { "not all zero" } else { "zeros" });
    match draw(&source, MAX_FILL_BYTES + 1).await {
        Ok(_) => println!("more than the interface allows"),
        Err(error) => println!("{error}"),
    }
    Ok(())
}

fn main() -> Result<(), capnp::Error> {
    capos_rt::block_on(run())
}
