// Unsafe here: mapped memory becomes a slice in one place.
#![expect(unsafe_code, reason = "the package is read through the address at which it is mapped")]

use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::NoAllocSliceSegments;
use capos_schema::manifest_capnp::boot_package;
use capos_schema::memory_capnp::memory_object;

/// The boot package, mapped read-only for the life of the process.
pub struct Package {
    object: memory_object::Client,
    bytes: &'static [u8],
}

/// The package as a Cap'n Proto message.
pub type PackageMessage = Reader<NoAllocSliceSegments<'static>>;

impl Package {
    /// Maps `object`, which must be the boot package.
    ///
    /// # Errors
    /// The kernel's errors about the mapping.
    pub async fn map(object: memory_object::Client) -> capnp::Result<Self> {
        let size = object.size_request().send().promise.await?.get()?.get_bytes();
        let mut request = capos_rt::virtual_memory().map_object_request();
        request.get().set_object(object.clone());
        request.get().set_length(size);
        request.get().init_protection().set_read(true);
        let address = request.send().promise.await?.get()?.get_address();
        let length =
            usize::try_from(size).map_err(|_| capnp::Error::failed("boot package too large".into()))?;
        // SAFETY: the kernel mapped `size` bytes there, read-only. They are never unmapped, and never written,
        // because no capability to the boot package has the WRITE right.
        let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, length) };
        Ok(Self { object, bytes })
    }

    /// The package as a message. It has no traversal limit, because its binaries are larger than any sensible
    /// limit and are never traversed; the host command checked the manifest in it.
    ///
    /// # Errors
    /// If the object is not a Cap'n Proto message.
    pub fn message(&self) -> capnp::Result<PackageMessage> {
        let mut bytes = self.bytes;
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(None);
        Ok(Reader::new(NoAllocSliceSegments::from_slice(&mut bytes, options)?, options))
    }

    /// The object that holds the package.
    #[must_use]
    pub fn object(&self) -> &memory_object::Client {
        &self.object
    }

    /// Offset of `part`, a piece of this package, from the package's start, in bytes.
    #[must_use]
    pub fn offset_of(&self, part: &[u8]) -> u64 {
        (part.as_ptr() as u64).wrapping_sub(self.bytes.as_ptr() as u64)
    }
}

/// The bytes of the binary named `name`.
///
/// # Errors
/// `failed`, with the name, if the package has no such binary.
pub fn binary<'a>(package: boot_package::Reader<'a>, name: &str) -> capnp::Result<&'a [u8]> {
    for binary in package.get_binaries()? {
        if binary.get_name()?.as_bytes() == name.as_bytes() {
            return binary.get_image();
        }
    }
    Err(capnp::Error::failed(format!("the boot package has no binary \"{name}\"")))
}
