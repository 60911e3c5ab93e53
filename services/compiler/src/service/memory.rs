//! Memory objects, charged to this process.

use capnp::{Error, Result};
use capos_rt::virtual_memory;
use capos_schema::memory_capnp::{code_factory, memory_object};

/// Memory that objects leave for everything else: a process that has none left when it touches a page ends.
const RESERVE_BYTES: u64 = 8 << 20;

/// An object of `length` bytes.
pub(super) async fn data_object(length: u64) -> Result<memory_object::Client> {
    with_reserve(async {
        let mut request = virtual_memory().create_object_request();
        request.get().set_length(length.next_multiple_of(capos_abi::PAGE_SIZE));
        request.send().promise.await?.get()?.get_object()
    })
    .await
}

/// An object of `length` bytes that can become code.
pub(super) async fn code_object(
    factory: &code_factory::Client,
    length: u64,
) -> Result<memory_object::Client> {
    with_reserve(async {
        let mut request = factory.create_request();
        request.get().set_length(length.next_multiple_of(capos_abi::PAGE_SIZE));
        request.send().promise.await?.get()?.get_object()
    })
    .await
}

/// Awaits `create` while the reserve is taken, so that what it creates does not come out of it.
async fn with_reserve(
    create: impl Future<Output = Result<memory_object::Client>>,
) -> Result<memory_object::Client> {
    let created = async {
        let mut request = virtual_memory().create_object_request();
        request.get().set_length(RESERVE_BYTES);
        let _reserve = request.send().promise.await?;
        create.await
    };
    created.await.map_err(|error| {
        Error::overloaded(format!(
            "the compiler has no memory left beside modules and code in use: {}",
            error.extra
        ))
    })
}
