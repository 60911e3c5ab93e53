//! `Power` (schema/power.capnp).

use super::{Answer, Context, Failure, Parameters, output};
use crate::arch;
use capos_abi::Rights;
use capos_schema::methods::power::POWER_OFF;
use capos_schema::power_capnp::power;

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<power::Client>()?;
    if context.call.method != POWER_OFF {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::WRITE)?;
    let status = parameters.get_root::<power::power_off_params::Reader<'_>>()?.get_status();
    output::flush(context.kernel);
    // The log's clock goes on while the machine waits; with this, the time that it worked is known.
    let idle_us = arch::time::duration_ns(context.kernel.system.idle_tsc()) / 1000;
    crate::klog!("idle for {}.{:06} s", idle_us / 1_000_000, idle_us % 1_000_000);
    arch::power::off(status)
}
