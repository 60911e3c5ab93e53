//! `EntropySource` (schema/entropy.capnp): ChaCha20, seeded from the processor's generator and timing.

use super::{Answer, Context, Failure, Parameters, message::long_results};
use crate::arch::{random, time};
use capos_abi::Rights;
use capos_schema::entropy_capnp::{MAX_FILL_BYTES, entropy_source};
use capos_schema::methods::entropy_source::FILL;
use chacha20::{
    ChaCha20Rng,
    rand_core::{Rng, SeedableRng},
};

/// Number of bytes after which new entropy is mixed in.
const RESEED_BYTES: u64 = 1 << 20;
const SEED_WORDS: usize = 4;

/// The generator. It returns nothing until it has been seeded.
pub struct Generator {
    rng: Option<ChaCha20Rng>,
    bytes_left: u64,
}

impl Generator {
    /// Not seeded.
    pub(super) const fn new() -> Self {
        Self { rng: None, bytes_left: 0 }
    }

    /// Mixes fresh entropy into the generator. Without a hardware generator it is unchanged.
    pub(super) fn reseed(&mut self) {
        let mut seed = [0; SEED_WORDS * 8];
        for chunk in seed.chunks_exact_mut(8) {
            let Some(word) = random::rdseed().or_else(random::rdrand) else { return };
            // Timing compensates for a processor whose words an observer might know.
            chunk.copy_from_slice(&(word ^ time::read_tsc().rotate_left(32)).to_le_bytes());
        }
        if let Some(rng) = &mut self.rng {
            let mut old = [0; SEED_WORDS * 8];
            rng.fill_bytes(&mut old);
            for (new, old) in seed.iter_mut().zip(old) {
                *new ^= old;
            }
        }
        self.rng = Some(ChaCha20Rng::from_seed(seed));
        self.bytes_left = RESEED_BYTES;
    }

    /// Fills `into`; `false` if the generator was never seeded.
    fn fill(&mut self, into: &mut [u8]) -> bool {
        if self.bytes_left < into.len() as u64 {
            self.reseed();
        }
        self.bytes_left = self.bytes_left.saturating_sub(into.len() as u64);
        match &mut self.rng {
            Some(rng) => {
                rng.fill_bytes(into);
                true
            }
            None => false,
        }
    }
}

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<entropy_source::Client>()?;
    if context.call.method != FILL {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::READ)?;
    let length = parameters.get_root::<entropy_source::fill_params::Reader<'_>>()?.get_length();
    if length > MAX_FILL_BYTES {
        return Err(Failure::overloaded("more than 2048 bytes in one draw"));
    }
    let generator = &mut context.kernel.services.entropy;
    type Results = entropy_source::fill_results::Owned;
    long_results::<Results>(context.results, length as usize + 64, |results| {
        if generator.fill(results.init_bytes(length)) {
            Ok(())
        } else {
            Err(Failure::overloaded("the generator has not been seeded: the processor gave no entropy"))
        }
    })
}
