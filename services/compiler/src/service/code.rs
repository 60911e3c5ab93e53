//! Sealed code.

use std::rc::Rc;

use capnp::{Error, Result};
use capos_abi::Rights;
use capos_rt::attenuate;
use capos_schema::memory_capnp::memory_object;

use crate::counters::Counters;

/// The code of one module, kept while somebody holds a lease of it.
pub(super) struct Code {
    /// Sealed, with the rights to read and execute.
    pub(super) object: memory_object::Client,
    pub(super) length: u64,
    counters: Rc<Counters>,
}

impl Code {
    /// Seals the code in the first `length` bytes of `object`, which nobody else may have mapped for writing.
    pub(super) async fn seal(
        object: memory_object::Client,
        length: u64,
        counters: Rc<Counters>,
    ) -> Result<Rc<Self>> {
        let bytes = object.size_request().send().promise.await?.get()?.get_bytes();
        if length == 0 || length > bytes {
            return Err(Error::failed(format!("{length} bytes of code in an object of {bytes}")));
        }
        object.seal_request().send().promise.await?;
        let object = attenuate(&object, Rights::READ | Rights::EXECUTE | Rights::TRANSFER)?;
        counters.code_bytes.set(counters.code_bytes.get() + length);
        Ok(Rc::new(Self { object, length, counters }))
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        self.counters.code_bytes.set(self.counters.code_bytes.get() - self.length);
    }
}
