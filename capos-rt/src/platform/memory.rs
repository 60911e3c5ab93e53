//! The process's address space, for use by the heap: no call here allocates.

pub mod address_space;

use crate::bootstrap;
use crate::methods::{
    MEMORY_DISCARD, MEMORY_MAP_OBJECT, MEMORY_MAP_PRIVATE, MEMORY_PROTECT, MEMORY_RESERVE, MEMORY_UNMAP,
    Method,
};
use crate::ring::{Reply, SyncBuffer};
use capnp::traits::ImbueMut;
use capos_abi::{ErrorCode, Handle, PAGE_SIZE};
use capos_schema::memory_capnp::{memory_object, protection, virtual_memory};

/// Space for the largest parameters (mapObject) and results used here.
type Buffer = SyncBuffer<16, 24>;

/// Permitted accesses to pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// None: touching a page is a fault.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing, of sealed objects only.
    ReadExecute,
}

impl Access {
    fn fill(self, mut protection: protection::Builder<'_>) {
        protection.set_read(self != Self::None);
        protection.set_write(self == Self::ReadWrite);
        protection.set_execute(self == Self::ReadExecute);
    }
}

/// `length` rounded up to whole pages; saturates.
pub(super) fn whole_pages(length: usize) -> usize {
    length.checked_next_multiple_of(PAGE_SIZE as usize).unwrap_or(usize::MAX & !(PAGE_SIZE as usize - 1))
}

fn call<'a>(
    buffer: &'a mut Buffer,
    method: Method,
    object: Option<Handle>,
    fill: impl FnOnce(capnp::any_pointer::Builder<'_>),
) -> Result<Reply<'a>, ErrorCode> {
    let memory = bootstrap::get().ok_or(ErrorCode::BadCapability)?.virtual_memory();
    buffer.call(memory, method, object, fill)
}

/// Reserves demand-zero pages at an address chosen by the kernel.
pub(super) fn reserve(length: usize, access: Access) -> Result<usize, ErrorCode> {
    reserve_at(0, length, access)
}

/// Reserves demand-zero pages; at an address chosen by the kernel if `address` is 0.
fn reserve_at(address: usize, length: usize, access: Access) -> Result<usize, ErrorCode> {
    let mut buffer = Buffer::new();
    let reply = call(&mut buffer, MEMORY_RESERVE, None, |root| {
        let mut params = root.init_as::<virtual_memory::reserve_params::Builder<'_>>();
        params.set_address(address as u64);
        params.set_length(length as u64);
        access.fill(params.init_protection());
    })?;
    reply
        .read(|root| Ok(root.get_as::<virtual_memory::reserve_results::Reader<'_>>()?.get_address()))
        .map(|address| address as usize)
        .ok_or(ErrorCode::BadMessage)
}

/// Changes the permitted accesses to pages.
pub(super) fn protect(address: usize, length: usize, access: Access) -> Result<(), ErrorCode> {
    call(&mut Buffer::new(), MEMORY_PROTECT, None, |root| {
        let mut params = root.init_as::<virtual_memory::protect_params::Builder<'_>>();
        params.set_address(address as u64);
        params.set_length(length as u64);
        access.fill(params.init_protection());
    })
    .map(drop)
}

/// Unmaps a range.
pub(super) fn unmap(address: usize, length: usize) -> Result<(), ErrorCode> {
    call(&mut Buffer::new(), MEMORY_UNMAP, None, |root| {
        let mut params = root.init_as::<virtual_memory::unmap_params::Builder<'_>>();
        params.set_address(address as u64);
        params.set_length(length as u64);
    })
    .map(drop)
}

/// Frees the frames of a range, which stays reserved and reads as zero.
pub(super) fn discard(address: usize, length: usize) -> Result<(), ErrorCode> {
    call(&mut Buffer::new(), MEMORY_DISCARD, None, |root| {
        let mut params = root.init_as::<virtual_memory::discard_params::Builder<'_>>();
        params.set_address(address as u64);
        params.set_length(length as u64);
    })
    .map(drop)
}

/// Frees the frames behind the whole pages of `bytes`. Those bytes are zero afterwards, or unchanged if the frames cannot
/// be freed.
pub fn discard_bytes(bytes: &mut [u8]) {
    let page = PAGE_SIZE as usize;
    let (start, end) = (bytes.as_ptr() as usize, bytes.as_ptr_range().end as usize);
    let (first, last) = (start.next_multiple_of(page), end / page * page);
    if first < last {
        // If this fails, the frames stay.
        let _ = discard(first, last - first);
    }
}

/// Maps the first `length` bytes of `object` for reading.
pub(super) fn map_read_only(object: Handle, length: usize) -> Result<usize, ErrorCode> {
    map(MEMORY_MAP_OBJECT, object, 0, length, 0, Access::Read)
}

/// Maps a part of `object`, at an address chosen by the kernel if `address` is 0. The two methods have the same parameters.
fn map(
    method: Method,
    object: Handle,
    offset: u64,
    length: usize,
    address: usize,
    access: Access,
) -> Result<usize, ErrorCode> {
    let mut buffer = Buffer::new();
    let reply = call(&mut buffer, method, Some(object), |mut root| {
        let mut table = Vec::new();
        let mut root = root.reborrow();
        root.imbue_mut(&mut table);
        let mut params = root.init_as::<virtual_memory::map_object_params::Builder<'_>>();
        params.set_offset(offset);
        params.set_length(length as u64);
        params.set_address(address as u64);
        access.fill(params.reborrow().init_protection());
        params.set_object(crate::runtime::borrowed_client::<memory_object::Client>(object));
    })?;
    reply
        .read(|root| Ok(root.get_as::<virtual_memory::map_object_results::Reader<'_>>()?.get_address()))
        .map(|address| address as usize)
        .ok_or(ErrorCode::BadMessage)
}
