//! `EndpointFactory` (schema/endpoint.capnp).

use super::{Answer, Context, Failure, message::results_with_cap};
use capos_abi::Rights;
use capos_schema::endpoint_capnp::{endpoint, endpoint_factory};
use capos_schema::methods::endpoint_factory::CREATE;

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<endpoint_factory::Client>()?;
    if context.call.method != CREATE {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::WRITE)?;
    let handle = context.kernel.ipc.create_endpoint(context.call.caller.process)?;
    type Results = endpoint_factory::create_results::Owned;
    results_with_cap::<Results, endpoint::Client>(context.results, handle, |results, endpoint| {
        results.set_endpoint(endpoint);
    })
}
