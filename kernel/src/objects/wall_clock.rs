//! `WallClock` (schema/timer.capnp).

use super::{Answer, Context, Failure, message::results};
use capos_abi::Rights;
use capos_schema::methods::wall_clock::{NOW, RESOLUTION};
use capos_schema::timer_capnp::wall_clock;

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<wall_clock::Client>()?;
    context.require(Rights::READ)?;
    match context.call.method {
        NOW => {
            let (seconds, nanoseconds) = context.kernel.clock.wall_time();
            results::<wall_clock::now_results::Owned>(context.results, |mut results| {
                results.set_seconds(seconds);
                results.set_nanoseconds(nanoseconds);
            })
        }
        // The machine's clock is read only once; after that the monotonic clock, in nanoseconds, is added.
        RESOLUTION => results::<wall_clock::resolution_results::Owned>(context.results, |mut results| {
            results.set_nanoseconds(1);
        }),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}
