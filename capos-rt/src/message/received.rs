use super::Message;
use capnp::message::{Reader, ReaderOptions};
use capnp::private::capability::ClientHook;
use capnp::serialize::NoAllocBufferSegments;
use capnp::traits::Imbue;
use capnp::{Result, any_pointer};

/// The capabilities beside a message, by index.
pub(crate) type CapTable = Vec<Option<Box<dyn ClientHook>>>;

/// A message to read, with its capabilities.
pub(crate) struct Received {
    body: Body,
    capabilities: CapTable,
}

enum Body {
    /// From another process: every pointer in it is checked.
    Foreign(Reader<NoAllocBufferSegments<ForeignBytes>>),
    /// Built in this process.
    Own(Message),
}

/// The first `length` bytes of a message.
struct ForeignBytes {
    message: Message,
    length: usize,
}

impl AsRef<[u8]> for ForeignBytes {
    fn as_ref(&self) -> &[u8] {
        self.message.bytes(self.length)
    }
}

impl Received {
    /// A message of `length` bytes that came from another process.
    ///
    /// # Errors
    /// If its segment table is malformed.
    pub(crate) fn foreign(message: Message, length: u32, capabilities: CapTable) -> Result<Self> {
        let options = ReaderOptions::new();
        let bytes = ForeignBytes { message, length: length as usize };
        let segments = NoAllocBufferSegments::from_buffer(bytes, options)?;
        Ok(Self { body: Body::Foreign(Reader::new(segments, options)), capabilities })
    }

    /// A message that was built here.
    pub(crate) fn own(message: Message, capabilities: CapTable) -> Self {
        Self { body: Body::Own(message), capabilities }
    }

    /// The root, with capabilities in reach.
    pub(crate) fn root(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = match &self.body {
            Body::Foreign(reader) => reader.get_root()?,
            Body::Own(message) => message.built_root()?,
        };
        root.imbue(&self.capabilities);
        Ok(root)
    }
}
