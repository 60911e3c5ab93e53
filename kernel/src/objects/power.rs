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
    arch::power::off(status)
}
