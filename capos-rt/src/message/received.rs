use super::Message;
use super::segment::Segment;
use capnp::message::{Reader, ReaderOptions};
use capnp::private::capability::ClientHook;
use capnp::serialize::NoAllocBufferSegments;
use capnp::traits::Imbue;
use capnp::{Result, any_pointer};

/// The capabilities of a message, by index.
pub(crate) type CapTable = Vec<Option<Box<dyn ClientHook>>>;

/// A message for reading, with its capabilities.
pub(crate) struct Received {
    body: Body,
    capabilities: CapTable,
}

enum Body {
    /// From another process, with a single segment, as this runtime sends messages.
    Foreign(Segment),
    /// From another process, with several segments.
    Segmented(Box<Reader<NoAllocBufferSegments<ForeignBytes>>>),
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

impl Body {
    #[cold]
    fn segmented(message: Message, length: usize, options: ReaderOptions) -> Result<Self> {
        let segments = NoAllocBufferSegments::from_buffer(ForeignBytes { message, length }, options)?;
        Ok(Self::Segmented(Box::new(Reader::new(segments, options))))
    }
}

impl Received {
    /// A message of `length` bytes that came from another process.
    ///
    /// # Errors
    /// If its segment table is malformed.
    #[inline]
    pub(crate) fn foreign(message: Message, length: u32, capabilities: CapTable) -> Result<Self> {
        let options = ReaderOptions::new();
        let body = match Segment::new(message, length as usize, &options) {
            Ok(segment) => Body::Foreign(segment),
            Err(message) => Body::segmented(message, length as usize, options)?,
        };
        Ok(Self { body, capabilities })
    }

    /// A message built in this process.
    pub(crate) fn own(message: Message, capabilities: CapTable) -> Self {
        Self { body: Body::Own(message), capabilities }
    }

    /// The message's memory, if it is one of this runtime's buffers.
    pub(crate) fn into_message(self) -> Option<Message> {
        match self.body {
            Body::Foreign(segment) => Some(segment.into_message()),
            Body::Segmented(_) => None,
            Body::Own(message) => Some(message),
        }
    }

    /// The root, with access to the capabilities.
    pub(crate) fn root(&self) -> Result<any_pointer::Reader<'_>> {
        let mut root: any_pointer::Reader<'_> = match &self.body {
            Body::Foreign(segment) => segment.root()?,
            Body::Segmented(reader) => reader.get_root()?,
            Body::Own(message) => message.built_root()?,
        };
        root.imbue(&self.capabilities);
        Ok(root)
    }
}
