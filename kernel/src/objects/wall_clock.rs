//! `WallClock` (schema/timer.capnp).

use super::{Answer, Context, Failure, message::results};
use crate::arch::{rtc, time};
use capos_schema::timer_capnp::wall_clock;

const NOW: u16 = 0;
const RESOLUTION: u16 = 1;

const SECOND_NS: u64 = 1_000_000_000;

/// The time of day when the monotonic clock read zero, in nanoseconds since 1970. Reads the machine's clock.
pub(super) fn base_ns() -> u64 {
    rtc::seconds_since_1970().saturating_mul(SECOND_NS).saturating_sub(time::now_ns())
}

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<wall_clock::Client>()?;
    match context.call.method {
        NOW => {
            let now_ns = context.kernel.services.wall_clock_base_ns.saturating_add(time::now_ns());
            results::<wall_clock::now_results::Owned>(context.results, |mut results| {
                results.set_seconds(now_ns / SECOND_NS);
                // Below 10^9.
                results.set_nanoseconds((now_ns % SECOND_NS) as u32);
            })
        }
        // The machine's clock is read once; from then on the monotonic clock, in nanoseconds, is added.
        RESOLUTION => results::<wall_clock::resolution_results::Owned>(context.results, |mut results| {
            results.set_nanoseconds(1);
        }),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}
