//! The module of a request.

use capnp::{Error, Result};
use capos_abi::Rights;
use capos_rt::{MappedMemory, SealedMemory, attenuate};
use capos_schema::memory_capnp::memory_object;

use super::{Service, memory};

/// A module that does not change any more: the client's own object if that is sealed, otherwise a copy.
#[derive(Clone)]
pub(super) struct Module {
    /// Only readable.
    pub(super) object: memory_object::Client,
    pub(super) length: u64,
}

impl Module {
    /// Takes the module in the first `length` bytes of `object`, and gives its bytes too.
    pub(super) async fn take(
        service: &Service,
        object: memory_object::Client,
        length: u64,
    ) -> Result<(Self, SealedMemory)> {
        let most = service.options.module_bytes;
        if length == 0 || length > most {
            return Err(Error::failed(format!("a module of {length} bytes; 1 to {most} are possible")));
        }
        // An object of another process could answer anything here. The kernel maps only its own, below.
        let size = object.size_request().send().promise.await?;
        let (bytes, is_sealed) = (size.get()?.get_bytes(), size.get()?.get_sealed());
        if length > bytes {
            return Err(Error::failed(format!(
                "the object has {bytes} bytes, fewer than the module's {length}"
            )));
        }
        let object = if is_sealed { object } else { copy(object, length).await? };
        let mapped = SealedMemory::map(object.clone(), length).await?;
        let object = attenuate(&object, Rights::READ | Rights::TRANSFER)?;
        Ok((Self { object, length }, mapped))
    }
}

/// A sealed copy.
async fn copy(object: memory_object::Client, length: u64) -> Result<memory_object::Client> {
    let from = MappedMemory::map(object, length, false).await?;
    let copy = memory::data_object(length).await?;
    let to = MappedMemory::map(copy.clone(), length, true).await?;
    from.copy_to(&to).map_err(|error| Error::failed(error.to_string()))?;
    to.unmap().await?;
    copy.seal_request().send().promise.await?;
    Ok(copy)
}
