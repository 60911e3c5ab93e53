//! `MemoryObject` (schema/memory.capnp).

use super::{Answer, Context, Failure, message::results};
use crate::mm::MemoryObject;
use capos_abi::Rights;
use capos_kernel_core::arena::Id;
use capos_schema::memory_capnp::memory_object;
use capos_schema::methods::memory_object::{SEAL, SIZE};

pub(super) fn serve(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.expect_interface::<memory_object::Client>()?;
    match context.call.method {
        SIZE => size(context),
        SEAL => {
            // A holder that may only read it must not take the right to write from others.
            context.require(Rights::WRITE)?;
            object(context)?.seal()?;
            Ok(Answer::Empty)
        }
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

/// The object that the capability is for.
fn object<'a>(context: &'a mut Context<'_>) -> Result<&'a mut MemoryObject, Failure> {
    let id = Id::unpack(context.call.payload);
    context.kernel.system.objects().get_mut(id).ok_or(Failure::ENDED)
}

fn size(context: &mut Context<'_>) -> Result<Answer, Failure> {
    context.require(Rights::READ)?;
    let object = object(context)?;
    let (bytes, is_sealed) = (object.bytes(), object.is_sealed());
    results::<memory_object::size_results::Owned>(context.results, |mut results| {
        results.set_bytes(bytes);
        results.set_sealed(is_sealed);
    })
}
