//! The transfer buffer as bytes.
// Unsafe here: the device changes the buffer's memory by itself.
#![expect(unsafe_code, reason = "mapped memory is read and written here")]

use capos_schema::block_capnp::block_device;

/// The memory that a disk reads into and writes from.
pub(crate) struct Buffer {
    start: *mut u8,
    pub(crate) bytes: usize,
}

impl Buffer {
    /// Maps the buffer of `disk`.
    pub(crate) async fn map(disk: &block_device::Client) -> capnp::Result<Self> {
        let response = disk.transfer_buffer_request().send().promise.await?;
        let buffer = response.get()?;
        let bytes = buffer.get_bytes();
        let mapped = capos_rt::map_shared(buffer.get_memory()?, bytes).await?;
        Ok(Self { start: mapped.cast().as_ptr(), bytes: mapped.len() })
    }

    fn check(&self, offset: usize, length: usize) {
        assert!(offset <= self.bytes && length <= self.bytes - offset, "the buffer ends there");
    }

    /// Writes a part.
    pub(crate) fn set(&self, offset: usize, from: &[u8]) {
        self.check(offset, from.len());
        for (index, byte) in from.iter().enumerate() {
            // SAFETY: the part is mapped (checked above) for the life of the process. Volatile, because the device shares
            // it.
            unsafe { self.start.add(offset + index).write_volatile(*byte) };
        }
    }

    /// Reads a part.
    pub(crate) fn get(&self, offset: usize, length: usize) -> Vec<u8> {
        self.check(offset, length);
        // SAFETY: as for `set`.
        (offset..offset + length).map(|at| unsafe { self.start.add(at).read_volatile() }).collect()
    }
}
