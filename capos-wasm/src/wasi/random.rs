//! `random_*`: randomness from the EntropySource.

use super::{Context, Errno, GuestMemory, Stop, memory::Claim, refusal::Missing};
use capos_schema::entropy_capnp::MAX_FILL_BYTES;

/// Bytes that are asked for at once: making many takes long, and nothing else of the host runs meanwhile.
const PIECE_BYTES: u32 = MAX_FILL_BYTES;

/// `random_get`: fills `length` bytes at `buffer`, in pieces that the EntropySource can give.
pub(super) async fn get(
    context: &mut Context,
    memory: &GuestMemory,
    buffer: u32,
    length: u32,
) -> Result<(), Stop> {
    let Some(entropy) = &context.entropy else {
        context.refuse(Missing::Entropy);
        return Err(Errno::Nosys.into());
    };
    memory.check(Claim { offset: buffer, len_bytes: length })?;
    let mut filled = 0;
    while filled < length {
        let piece = (length - filled).min(PIECE_BYTES);
        let mut request = entropy.fill_request();
        request.get().set_length(piece);
        let response = request.send().promise.await.map_err(Errno::from_capability)?;
        let bytes = response.get().and_then(|results| results.get_bytes());
        let bytes = bytes.map_err(Errno::from_capability)?;
        if bytes.len() != piece as usize {
            return Err(Errno::Io.into());
        }
        // `buffer + filled` stays inside the range checked above; memories never shrink.
        memory.write_bytes(buffer.wrapping_add(filled), bytes)?;
        filled += piece;
    }
    Ok(())
}
