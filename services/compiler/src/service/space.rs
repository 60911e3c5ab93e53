//! Memory into which the cache reads code.

use std::cell::RefCell;
use std::rc::Rc;

use capos_rt::MappedMemory;
use capos_schema::memory_capnp::memory_object;

use super::{Service, memory};
use crate::cache;

/// An object that can become code, mapped for writing.
pub(super) struct Space {
    service: Rc<Service>,
    object: RefCell<Option<(memory_object::Client, MappedMemory)>>,
}

impl Space {
    pub(super) fn new(service: &Rc<Service>) -> Self {
        Self { service: service.clone(), object: RefCell::default() }
    }

    /// The object, mapped no more.
    pub(super) async fn into_object(self) -> Option<memory_object::Client> {
        let (object, memory) = self.object.into_inner()?;
        memory.unmap().await.ok()?;
        Some(object)
    }
}

impl cache::Space for Space {
    async fn create(&self, length: u64) -> Result<(), String> {
        if length > self.service.options.code_bytes {
            return Err(format!("{length} bytes are more than code may have"));
        }
        let created = async {
            let object = memory::code_object(self.service.launcher.factory(), length).await?;
            let memory = MappedMemory::map(object.clone(), length, true).await?;
            Ok::<_, capnp::Error>((object, memory))
        };
        let created = created.await.map_err(|error| error.extra)?;
        *self.object.borrow_mut() = Some(created);
        Ok(())
    }

    fn write(&self, offset: usize, data: &[u8]) -> bool {
        self.object.borrow().as_ref().is_some_and(|(_, memory)| memory.write(offset, data).is_ok())
    }
}
