//! `CodeFactory` (schema/memory.capnp).

use super::{Answer, Context, Failure, Parameters, message::results_with_cap, virtual_memory::new_object};
use capos_abi::Rights;
use capos_schema::memory_capnp::{code_factory, memory_object};
use capos_schema::methods::code_factory::CREATE;

pub(super) fn serve(context: &mut Context<'_>, parameters: &Parameters<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<code_factory::Client>()?;
    if context.call.method != CREATE {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::WRITE)?;
    let asked: code_factory::create_params::Reader<'_> = parameters.get_root()?;
    let owner = context.caller()?;
    let handle = new_object(context, owner, asked.get_length(), Rights::EXECUTE)?;
    type Results = code_factory::create_results::Owned;
    results_with_cap::<Results, memory_object::Client>(context.results, handle, |results, object| {
        results.set_object(object);
    })
}
