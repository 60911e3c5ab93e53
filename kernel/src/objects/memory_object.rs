//! `MemoryObject` (schema/memory.capnp).

use super::{Answer, Context, Failure, message::results};
use capos_abi::Rights;
use capos_kernel_core::arena::Id;
use capos_schema::memory_capnp::memory_object;
use capos_schema::methods::memory_object::SIZE;

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<memory_object::Client>()?;
    if context.call.method != SIZE {
        return Err(Failure::UNIMPLEMENTED);
    }
    context.require(Rights::READ)?;
    let object =
        context.kernel.system.objects().get(Id::unpack(context.call.payload)).ok_or(Failure::ENDED)?;
    let bytes = object.bytes();
    results::<memory_object::size_results::Owned>(context.results, |mut results| results.set_bytes(bytes))
}
