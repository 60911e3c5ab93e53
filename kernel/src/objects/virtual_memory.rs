//! `VirtualMemory` (schema/memory.capnp).

use super::{
    Answer, Context, Failure, Parameters,
    message::{results, results_with_cap},
    ranges::{self, Change},
};
use crate::{
    mm::{AddressSpace, frames},
    system::process::ProcessId,
};
use capnp::traits::Imbue;
use capos_abi::{Handle, PAGE_SIZE, Rights};
use capos_kernel_core::{
    arena::Id,
    caps::ObjectKind,
    regions::{Protection, RegionError},
};
use capos_schema::memory_capnp::{memory_object, protection, virtual_memory};
use capos_schema::methods::virtual_memory::{
    CREATE_OBJECT, DISCARD, MAP_OBJECT, MAP_PRIVATE, PROTECT, RESERVE, UNMAP,
};

const NOT_EXECUTABLE: Failure = Failure::failed("mapping code needs a VirtualMemory with the EXECUTE right");

/// The most permissive protection of memory of a process's own.
const OWN: Protection = Protection::READ.union(Protection::WRITE);

pub(super) fn serve<'a>(
    context: &mut Context<'a>,
    parameters: &'a Parameters<'_>,
) -> Result<Answer, Failure> {
    context.expect_interface::<virtual_memory::Client>()?;
    context.require(Rights::WRITE)?;
    match context.call.method {
        RESERVE => reserve(context, parameters.get_root()?),
        PROTECT => protect(context, parameters.get_root()?),
        UNMAP => unmap(context, parameters.get_root()?),
        DISCARD => {
            let range: virtual_memory::discard_params::Reader<'_> = parameters.get_root()?;
            ranges::change(context, Change::Discard, range.get_address(), range.get_length())
        }
        CREATE_OBJECT => create_object(context, parameters.get_root()?),
        MAP_OBJECT => map_object(context, parameters.get_root()?, Sharing::Shared),
        // Its parameters and results have the same layout.
        MAP_PRIVATE => map_object(context, parameters.get_root()?, Sharing::Private),
        _ => Err(Failure::UNIMPLEMENTED),
    }
}

/// The address space that the capability is for.
fn space<'a>(context: &'a mut Context<'_>) -> Result<&'a mut AddressSpace, Failure> {
    let id = context.target();
    Ok(context.kernel.system.space(id).ok_or(Failure::ENDED)?.0)
}

/// The most permissive protection that pages of an object can be given later.
fn ceiling(context: &Context<'_>) -> Protection {
    let mut ceiling = Protection::READ | Protection::WRITE;
    ceiling.set(Protection::EXECUTE, context.call.rights.contains(Rights::EXECUTE));
    ceiling
}

/// The requested protection, if the capability allows it.
fn allowed(context: &Context<'_>, asked: protection::Reader<'_>) -> Result<Protection, Failure> {
    let mut protection = Protection::empty();
    protection.set(Protection::READ, asked.get_read());
    protection.set(Protection::WRITE, asked.get_write());
    protection.set(Protection::EXECUTE, asked.get_execute());
    if ceiling(context).contains(protection) { Ok(protection) } else { Err(NOT_EXECUTABLE) }
}

fn reserve(
    context: &mut Context<'_>,
    range: virtual_memory::reserve_params::Reader<'_>,
) -> Result<Answer, Failure> {
    let protection = allowed(context, range.get_protection()?)?;
    let address = space(context)?.reserve(range.get_address(), range.get_length(), protection, OWN)?;
    results::<virtual_memory::reserve_results::Owned>(context.results, |mut results| {
        results.set_address(address);
    })
}

fn protect(
    context: &mut Context<'_>,
    range: virtual_memory::protect_params::Reader<'_>,
) -> Result<Answer, Failure> {
    let protection = allowed(context, range.get_protection()?)?;
    ranges::change(context, Change::Protect(protection), range.get_address(), range.get_length())
}

fn unmap(
    context: &mut Context<'_>,
    range: virtual_memory::unmap_params::Reader<'_>,
) -> Result<Answer, Failure> {
    ranges::change(context, Change::Unmap, range.get_address(), range.get_length())
}

fn create_object(
    context: &mut Context<'_>,
    parameters: virtual_memory::create_object_params::Reader<'_>,
) -> Result<Answer, Failure> {
    let owner = context.target();
    let handle = new_object(context, owner, parameters.get_length(), Rights::empty())?;
    type Results = virtual_memory::create_object_results::Owned;
    results_with_cap::<Results, memory_object::Client>(context.results, handle, |results, object| {
        results.set_object(object);
    })
}

/// Gives the caller a new memory object that is charged to `owner`, with all rights but EXECUTE, and `more`.
pub(super) fn new_object(
    context: &mut Context<'_>,
    owner: ProcessId,
    length: u64,
    more: Rights,
) -> Result<Handle, Failure> {
    if length == 0 || !length.is_multiple_of(PAGE_SIZE) {
        return Err(Failure::failed("the length must be a multiple of the page size, and not zero"));
    }
    if frames::is_low() {
        return Err(Failure::OUT_OF_MEMORY);
    }
    let pages = length / PAGE_SIZE;
    let (space, objects) = context.kernel.system.space(owner).ok_or(Failure::ENDED)?;
    if !space.budget.charge(pages) {
        return Err(Failure::overloaded("the process's frame budget is exhausted"));
    }
    let Ok(object) = objects.create(pages, owner) else {
        space.budget.refund(pages);
        return Err(Failure::OUT_OF_MEMORY);
    };
    let rights = Rights::READ | Rights::WRITE | Rights::TRANSFER | more;
    context.give(ObjectKind::MemoryObject, object.pack(), rights)
}

/// How an object is mapped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// With all other mappings of it.
    Shared,
    /// Until the process writes to a page.
    Private,
}

fn map_object<'a>(
    context: &mut Context<'a>,
    mut parameters: virtual_memory::map_object_params::Reader<'a>,
    sharing: Sharing,
) -> Result<Answer, Failure> {
    let protection = allowed(context, parameters.get_protection()?)?;
    let (offset, length, address) =
        (parameters.get_offset(), parameters.get_length(), parameters.get_address());
    parameters.imbue(context.table);
    let required = if sharing == Sharing::Private { Rights::READ } else { Rights::empty() };
    let object = context.lent(parameters.get_object()?, ObjectKind::MemoryObject, required)?;
    let mut most = Protection::empty();
    most.set(Protection::READ, object.rights.contains(Rights::READ));
    most.set(Protection::WRITE, object.rights.contains(Rights::WRITE));
    most.set(Protection::EXECUTE, object.rights.contains(Rights::EXECUTE));
    let most = most & ceiling(context);
    let end = offset.checked_add(length).ok_or(Failure::failed("the range is outside the memory object"))?;
    let id = context.target();
    let (space, objects) = context.kernel.system.space(id).ok_or(Failure::ENDED)?;
    let memory = Id::unpack(object.payload);
    let address = match sharing {
        Sharing::Shared => space.map_object(objects, memory, offset..end, address, protection, most)?,
        Sharing::Private => {
            if !offset.is_multiple_of(PAGE_SIZE) {
                return Err(RegionError::Unaligned.into());
            }
            space.map_private(objects, memory, offset..end, address, protection, OWN)?
        }
    };
    results::<virtual_memory::map_object_results::Owned>(context.results, |mut results| {
        results.set_address(address);
    })
}
