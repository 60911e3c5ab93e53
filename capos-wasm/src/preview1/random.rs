//! `random_*`: random bytes from the EntropySource.

use super::{Context, Errno, GuestMemory, Stop, memory::Claim};
use crate::account::Missing;

/// `random_get`: fills `length` bytes at `buffer`, in pieces that the EntropySource can return.
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
    let mut next = buffer;
    let fill = |bytes: &[u8]| {
        memory.write_bytes(next, bytes)?;
        // Stays inside the range checked above; memories never shrink.
        next = next.wrapping_add(bytes.len() as u32);
        Ok::<_, Errno>(())
    };
    Ok(entropy.fill(length, fill).await?)
}
