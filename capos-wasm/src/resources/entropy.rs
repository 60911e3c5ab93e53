//! Random bytes, of an EntropySource.

use super::Error;
use capos_rt::Ask as _;
use capos_schema::entropy_capnp::{MAX_FILL_BYTES, entropy_source};

/// A source of random bytes.
#[derive(Clone)]
pub(crate) struct Entropy {
    client: entropy_source::Client,
}

impl Entropy {
    pub(crate) fn new(client: entropy_source::Client) -> Self {
        Self { client }
    }

    /// Passes `length` random bytes to `take`, in pieces and in order: generating many takes long, and the host
    /// runs nothing else meanwhile.
    pub(crate) async fn fill<E: From<Error>>(
        &self,
        length: u32,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = length;
        while left > 0 {
            let piece = left.min(MAX_FILL_BYTES);
            let mut request = self.client.fill_request();
            request.get().set_length(piece);
            let response = request.ask().await.map_err(Error::of_call)?;
            let bytes = response.get().and_then(|results| results.get_bytes()).map_err(Error::of_call)?;
            if bytes.len() != piece as usize {
                return Err(Error::Failed.into());
            }
            take(bytes)?;
            left -= piece;
        }
        Ok(())
    }
}
